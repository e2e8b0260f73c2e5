"""Tiny ImageNet (Stanford CS231n, 2015): 100,000 images to train on and 10,000 to validate, 64 x 64, 200 classes.

The labels of its own test images were never published: the validation images are the test set, as the field has it.
"""

import os
from pathlib import Path

import numpy as np

from augdistill.base.errors import DataError
from augdistill.data import download
from augdistill.data.files import read_bounded
from augdistill.data.images import decode_all, listing, to_rgb
from augdistill.data.imageset import Pixels, Source, incomplete, missing

SPLITS = ("train", "test")
TEST_SET = "tiny-imagenet-val"
LABEL = "Tiny ImageNet"
HAS_CHECKSUMS = False  # of single files; the archive's is checked as it is fetched
FOLDER = "tiny-imagenet-200"
CLASSES = 200
FULL = {"train": 100_000, "test": 10_000}
SIDE = 64
IDS, ANNOTATIONS = "wnids.txt", Path("val", "val_annotations.txt")
ENDINGS = (".jpeg",)
MAX_TEXT = 2**24
ARCHIVE = download.Download(
    urls=("https://cs231n.stanford.edu/tiny-imagenet-200.zip",),
    checksum="md5:90528d7ca1a48142e341f4ef8d21d0de",
    max_bytes=300 * 10**6,
)


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the publisher's."""
    return str(root / FOLDER)


def shape() -> tuple[int, int, int]:
    """Return the shape of an image."""
    return 3, SIDE, SIDE


def source(root: Path, split: str) -> Source:
    """Return a split's images and the files that say what they show; raises DataError where one is missing."""
    folder = root / FOLDER
    parts = [IDS, "train"] if split == "train" else [IDS, str(ANNOTATIONS), "val/images"]
    if not all((folder / part).exists() for part in parts):
        layout = f"{IDS}, train/<class>/images/, val/images/ and {ANNOTATIONS}"
        raise missing(
            "tiny-imagenet", folder, layout, "type `augdistill data fetch tiny-imagenet`, or set dataset.root"
        )
    labelled = [folder / part for part in (IDS, ANNOTATIONS) if split == "test" or part == IDS]
    return Source(where(root), [*map(str, labelled), *labelled_files(folder, split)[0]])


def labelled_files(folder: Path, split: str) -> tuple[list[str], list[int]]:
    """Return the images of a split and their classes, by number: by class and name, or in the order annotated.

    Raises DataError for an image without a class, a class without images, and annotations that lead elsewhere.
    """
    ids = sorted(read_lines(folder / IDS))
    if len(set(ids)) != CLASSES or not all(name.isalnum() for name in ids):
        raise DataError(f"{folder / IDS} does not name {CLASSES} classes, n01443537 and so on")
    if split == "train":
        found = listing([str(folder / "train" / name / "images") for name in ids if is_class(folder, name)], ENDINGS)
        return found.files, found.labels
    numbers = {name: number for number, name in enumerate(ids)}
    files, labels = [], []
    for line in read_lines(folder / ANNOTATIONS):
        file, name = [*line.split("\t"), ""][:2]
        if os.path.basename(file) != file or not file or name not in numbers:
            raise DataError(f"{folder / ANNOTATIONS} holds {line[:80]!r}; expected FILE, CLASS and its box, by tabs")
        files.append(str(folder / "val" / "images" / file))
        labels.append(numbers[name])
    if not files:
        raise DataError(f"{folder / ANNOTATIONS} is empty")
    return files, labels


def is_class(folder: Path, name: str) -> bool:
    """Return true for a class that has its folder of training images; raises DataError for one that has none."""
    if not (folder / "train" / name / "images").is_dir():
        raise DataError(f"{folder / 'train' / name / 'images'} is not there: a folder of images for each of {IDS}")
    return True


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty; raises DataError."""
    try:
        text = read_bounded(path, MAX_TEXT).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8") from error
    return [line for line in text.splitlines() if line]


def read(root: Path, split: str, verify: bool) -> Pixels:
    """Return the images [N, 3, 64, 64] and labels; classes are called by their WordNet identifiers, sorted.

    The publisher has no checksum for a file, so `verify` has nothing to hold them against; the note tells any other
    number of images than the publisher's. Raises DataError.
    """
    folder = root / FOLDER
    files, numbers = labelled_files(folder, split)
    labels = np.array(numbers, dtype=np.int64)
    if len(empty := np.setdiff1d(np.arange(CLASSES), labels)):
        raise DataError(f"{folder} has no {split} image of {sorted(read_lines(folder / IDS))[empty[0]]}")
    images = decode_all(files, shape(), lambda image: to_rgb(image, SIDE), formats=["JPEG"])
    note = incomplete(len(labels), FULL[split], f"{split} set")
    return Pixels(images, labels, tuple(sorted(read_lines(folder / IDS))), note=note)


def fetch(root: Path) -> None:
    """Download the publisher's archive (0.25 GB), check it, and unpack it into `root`."""
    download.fetch_archive(ARCHIVE, root / FOLDER, folder=FOLDER, max_files=200_000, max_bytes=10**9)
