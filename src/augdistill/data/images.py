"""Finds and decodes folders of image files, one folder a class."""

import errno
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.errors import DataError

NO_IMAGE = "whose names do not end as an image's"
HIDDEN = "hidden"
NOWHERE = "links that lead nowhere"
NO_FILE = "neither files nor folders"
LOOP = "links to a folder that they lie in"
UNREADABLE = "folders that may not be read"
DAMAGED = "that cannot be read or decoded"
NAMED = 3  # of the files that are left out
SEVERAL = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")  # formats that may hold several pictures of equal rank
# What undoes an EXIF orientation. Pillow's exif_transpose writes all of the EXIF anew: faults of other tags stop it.
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


@dataclass(frozen=True)
class Listing:
    """The files of one split with their labels, and what was found beside them: why it is left out -> its paths."""

    files: list[str]
    labels: list[int]
    left_out: dict[str, list[str]]


def class_folders(folder: Path) -> dict[str, str]:
    """Return the names of the folders inside `folder`, in Unicode's composed form, with their paths, sorted by name.

    Hidden ones are left out. Raises DataError for a link that leads nowhere and for two spellings of one name.
    """
    found: dict[str, str] = {}
    with os.scandir(folder) as entries:
        for entry in (entry for entry in entries if not entry.name.startswith(".")):
            kind = kind_of(entry)
            if kind == NOWHERE:
                raise DataError(f"{entry.path} is a link that leads nowhere: mend or remove it")
            if kind == "folder":
                name = unicodedata.normalize("NFC", entry.name)
                if name in found:
                    raise DataError(f"{folder} has two folders called {name}, in two spellings of Unicode: join them")
                found[name] = entry.path
    return dict(sorted(found.items()))


def kind_of(entry: "os.DirEntry[str]") -> str:
    """Return "folder", "file", or why an entry is neither; links are followed."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # a link to itself
        return NOWHERE
    return NOWHERE if entry.is_symlink() else NO_FILE


def files_below(folder: str, endings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the path of each file in `folder` and the folders below it, links followed, with why it is left out or "".

    Hidden files that are no images are not spoken of. Paths are text here, not Path: with 70,000 of them that halves
    the time to see that a packed cache is current.
    """
    pending = [(folder, frozenset[tuple[int, int]]())]
    while pending:
        place, above = pending.pop()
        try:
            status = os.stat(place)
            own = (status.st_dev, status.st_ino)
            if own in above:
                yield place, LOOP
                continue
            with os.scandir(place) as entries:
                for entry in entries:
                    kind, hidden = kind_of(entry), entry.name.startswith(".")
                    if kind == "folder" and not hidden:
                        pending.append((entry.path, above | {own}))
                    elif kind != "file":
                        yield entry.path, HIDDEN if hidden else kind
                    elif os.path.splitext(entry.name)[1].lower() in endings:
                        yield entry.path, HIDDEN if hidden else ""
                    elif not hidden:
                        yield entry.path, NO_IMAGE
        except PermissionError:
            yield place, UNREADABLE


def listing(folders: Sequence[str], endings: Collection[str]) -> Listing:
    """Return the image files of class folders, by class, then folder, then name: torchvision's order."""
    found = Listing([], [], {})
    for label, folder in enumerate(folders):
        for place, why in sorted(files_below(folder, endings), key=lambda entry: os.path.split(entry[0])):
            if why:
                found.left_out.setdefault(why, []).append(place)
            else:
                found.files.append(place)
                found.labels.append(label)
    return found


def left_out_text(left_out: Mapping[str, Sequence[str]], folder: str) -> str:
    """Return in words what is left out below `folder`, the first few of each kind by name; "" if nothing is."""
    words = []
    for why, paths in left_out.items():
        names = ", ".join(os.path.relpath(path, folder) for path in sorted(paths)[:NAMED])
        more = ", ..." if len(paths) > NAMED else ""
        words.append(f"{len(paths):,} left out, {why} ({names}{more})")
    return "".join(mark if mark.isprintable() else "?" for mark in "; ".join(words))


def decode_all(
    files: Sequence[str],
    shape: tuple[int, int, int],
    to_pixels: Callable[[Any], Any],
    formats: list[str],
    damaged: dict[str, str] | None = None,
) -> np.ndarray:
    """Return uint8 [N, C, H, W]: each file opened with Pillow and turned into an 8-bit image by `to_pixels`.

    `formats` are Pillow's names of the formats allowed. A file that cannot be decoded, or may not be read, is left out
    and told in `damaged`, path -> why. Raises DataError, naming the file, where there is no `damaged`, where its pixels
    exceed Pillow's limit for a decompression bomb, `to_pixels` refuses it, or the disk fails.
    """
    from PIL import Image
    from tqdm import tqdm

    channels, height, width = shape
    images, count = np.empty((len(files), *shape), dtype=np.uint8), 0
    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for path in tqdm(files, desc="decoding images", unit=" images", disable=None):
            try:
                with Image.open(path, formats=formats) as image:
                    decoded = np.asarray(to_pixels(image)).reshape(height, width, channels)
            except MemoryError:
                raise
            except Exception as error:  # Pillow's decoders raise almost anything on damaged files
                what = " ".join(str(error).split()).replace(path, "it") or type(error).__name__
                is_damage = getattr(error, "errno", None) in (None, errno.EACCES, errno.EPERM)
                if damaged is None or isinstance(error, (DataError, *bombs)) or not is_damage:
                    raise DataError(f"{path} cannot be used: {what}") from error
                damaged[path] = what
                continue
            images[count] = decoded.transpose(2, 0, 1)
            count += 1
    return images[:count]


def to_rgb(image: Any, side: int) -> Any:
    """Return a Pillow image of `side` x `side` as RGB (some datasets have grey files); raises DataError for others."""
    if image.size != (side, side):
        raise DataError(f"it is {image.width} x {image.height}, not {side} x {side}")
    return image.convert("RGB")


def as_shown(image: Any, background: str, seen: Counter[str]) -> Any:
    """Return a Pillow image as a viewer shows it: turned as its EXIF says, transparency laid on `background`.

    Of several pictures in a file the first. `seen` counts what was done.
    """
    from PIL import Image

    seen["files of several pictures, the first of which is read"] += image.format in SEVERAL and getattr(
        image, "is_animated", False
    )
    is_turned = image.format == "TIFF" and orientation(image) > 1  # which Pillow turns as it loads them
    image.load()
    if (stored := orientation(image)) > 1:
        image, is_turned = image.transpose(Image.Transpose[TURNS[stored]]), True
    seen["images turned as their EXIF orientation says"] += is_turned
    if not image.has_transparency_data:
        return image
    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:  # of a PNG of 16 bits, whose upper 8 Pillow keeps
        image.info["transparency"] = tuple(part >> 8 for part in key)
    clear = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    seen[f"transparent images laid on {background}"] += clear.getchannel("A").getextrema()[0] < 255
    return Image.alpha_composite(Image.new("RGBA", clear.size, background), clear)


def orientation(image: Any) -> int:
    """Return the EXIF orientation of a Pillow image, 2 to 8 where it is to be turned; 1 where its EXIF is damaged."""
    try:
        found = image.getexif().get(0x0112)
    except Exception:  # Pillow raises almost anything; the pixels are sound
        return 1
    return int(found) if found in TURNS else 1
