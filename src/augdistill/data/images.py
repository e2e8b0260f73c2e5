"""Decodes folders of image files, one folder a class."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.errors import DataError


def class_folders(folder: Path) -> list[str]:
    """Return the names of the folders inside `folder`, sorted; hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def class_files(folder: Path) -> list[str]:
    """Return the paths of the files directly inside `folder`, sorted; hidden ones left out.

    Paths are text here, not Path: with 70,000 of them that halves the time to see that a packed cache is current.
    """
    with os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries if entry.is_file() and not entry.name.startswith("."))


def class_labels(files: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the labels int64 [N] of files: the places in `classes` of the folders they lie in."""
    return np.array([classes.index(Path(path).parent.name) for path in files], dtype=np.int64)


def decode_all(
    files: Sequence[str], shape: tuple[int, int, int], to_pixels: Callable[[Any], Any], formats: list[str]
) -> np.ndarray:
    """Return uint8 [N, C, H, W]: each file opened with Pillow and turned into an 8-bit image by `to_pixels`.

    `formats` are Pillow's names of the formats allowed. Raises DataError, naming the file, for one that cannot be
    decoded, whose pixels exceed Pillow's limit for a decompression bomb, or that `to_pixels` refuses.
    """
    from PIL import Image
    from tqdm import tqdm

    channels, height, width = shape
    images = np.empty((len(files), *shape), dtype=np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for path, pixels in zip(tqdm(files, desc="decoding images", unit=" images", disable=None), images, strict=True):
            try:
                with Image.open(path, formats=formats) as image:
                    decoded = np.asarray(to_pixels(image)).reshape(height, width, channels)
            except Exception as error:  # Pillow's decoders raise almost anything on damaged files
                what = " ".join(str(error).split()).replace(path, "it") or type(error).__name__
                raise DataError(f"{path} cannot be used: {what}") from error
            pixels[:] = decoded.transpose(2, 0, 1)
    return images
