"""CIFAR-10 (Krizhevsky, 2009): 50,000 + 10,000 RGB images of 32 x 32 in ten classes, as python batches."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.errors import DataError
from augdistill.data import download, pickles
from augdistill.data.files import check_publisher, read_bounded
from augdistill.data.imageset import CIFAR_CLASSES, Pixels, Source, incomplete, missing

SPLITS = ("train", "test")
TEST_SET = "cifar10-test"
LABEL = "CIFAR-10"
FOLDER = "cifar-10-batches-py"
FULL = {"train": 50_000, "test": 10_000}
CHECKSUMS = {
    "train": {
        "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
        "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
        "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
    },
    "test": {"test_batch": "md5:40351d587109b95175f43aff81a1287e"},
}
ARCHIVE = download.Download(
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    checksum="md5:c58f30108f718f92721af3b95e74349a",
    max_bytes=200 * 10**6,
)


@dataclass(frozen=True)
class Batches:
    """What is peculiar to the batches of one dataset: its name, theirs, the key of the labels, the number of classes.

    A file has at most `max_bytes`; reading one takes up to five times its size in memory.
    """

    name: str
    title: str
    key: str
    classes: int
    max_bytes: int


BATCHES = Batches("cifar10", "CIFAR-10", "labels", len(CIFAR_CLASSES), pickles.MAX_BYTES)


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the batches."""
    return str(root / FOLDER)


def shape() -> tuple[int, int, int]:
    """Return the shape of an image."""
    return 3, 32, 32


def source(root: Path, split: str) -> Source:
    """Return the batch files of a split; raises DataError if one is missing."""
    files = [str(root / FOLDER / name) for name in CHECKSUMS[split]]
    if not all(os.path.isfile(path) for path in files):
        layout = "data_batch_1 to data_batch_5 and test_batch"
        raise missing("cifar10", root / FOLDER, layout, "type `augdistill data fetch cifar10`, or set dataset.root")
    return Source(where(root), files)


def read(root: Path, split: str, verify: bool) -> Pixels:
    """Return the images [N, 3, 32, 32] and labels of a split, batches in order.

    Raises DataError if a file is damaged or, with `verify`, not the publisher's.
    """
    checksums = CHECKSUMS[split]
    batches = [read_batch(root / FOLDER / name, checksums[name] if verify else None) for name in checksums]
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    note = incomplete(len(labels), FULL[split], f"{split} set")
    return Pixels(images, labels, CIFAR_CLASSES, verify, checksums if verify else {}, note)


def read_batch(path: Path, checksum: str | None, batches: Batches = BATCHES) -> tuple[np.ndarray, np.ndarray]:
    """Return the images uint8 [N, 3, 32, 32] and labels int64 [N] of one batch file; raises DataError."""
    content = read_bounded(path, batches.max_bytes)
    if checksum:
        check_publisher(path, checksum, batches.name, content)
    batch, key = pickles.load_plain(path, content), batches.key
    if not isinstance(batch, dict):
        raise DataError(f"{path} is not a {batches.title} batch: expected a dictionary with `data` and `{key}`")
    images, labels = pickles.as_array(batch.get("data")), batch_labels(batch.get(key))
    if images is None or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072:
        raise DataError(f"{path}: `data` is not an array of bytes with rows of 3,072")
    if labels is None or labels.shape != (len(images),) or len(images) == 0:
        raise DataError(f"{path}: `{key}` is not one whole number for each of the {len(images)} images")
    if labels.min() < 0 or labels.max() >= batches.classes:
        raise DataError(f"{path}: `{key}` from {labels.min()} to {labels.max()}; allowed: 0 to {batches.classes - 1}")
    return images.reshape(-1, *shape()), labels.astype(np.int64)


def batch_labels(value: Any) -> np.ndarray | None:
    """Return a batch's labels, a list of whole numbers or an integer array, as an array; None if they are not that."""
    if isinstance(value, list) and all(type(label) is int and abs(label) < 2**31 for label in value):
        return np.array(value, dtype=np.int64)
    array = pickles.as_array(value)
    return array if array is not None and array.dtype.kind in "iu" else None


def fetch(root: Path) -> None:
    """Download the publisher's archive, check it, and unpack it into `root`."""
    download.fetch_archive(ARCHIVE, root / FOLDER, folder=FOLDER, max_files=100, max_bytes=300 * 10**6)
