"""CIFAR-10H (Peterson et al., 2019): how people labelled CIFAR-10's 10,000 test images, some 51 people each."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from augdistill.base.errors import DataError
from augdistill.data import cifar10, download
from augdistill.data.files import check_publisher, read_bounded
from augdistill.data.imageset import HumanLabels, Pixels, Source, missing

SPLITS = ("test",)
TEST_SET = "cifar10h"
LABEL = "CIFAR-10H"
LABELS_OF = "cifar10"  # the dataset whose test images people labelled
FOLDER = "cifar-10h"
FILE = "cifar10h-probs.npy"
SHAPE = (10_000, 10)
FILE_BYTES = 800_128
CHECKSUM = "sha256:436ae98620e00073f9d08585ac870573b588853e7af9f54eb1647408114af77d"
PROBABILITIES = download.Download(
    urls=(f"https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data/{FILE}",),
    checksum=CHECKSUM,
    max_bytes=FILE_BYTES,
)


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the label distributions."""
    return str(root / FOLDER)


def shape() -> tuple[int, int, int]:
    """Return the shape of an image."""
    return cifar10.shape()


def source(root: Path, split: str) -> Source:
    """Return the file of label distributions and CIFAR-10's test batch; raises DataError if one is missing."""
    return Source(where(root), [str(labels_file(root)), *cifar10.source(root, split).files])


def labels_file(root: Path) -> Path:
    """Return the file of label distributions; raises DataError if it is missing."""
    path = root / FOLDER / FILE
    if not os.path.isfile(path):
        raise missing("cifar10h", path.parent, FILE, "type `augdistill data fetch cifar10h`, or set dataset.root")
    return path


def read(root: Path, split: str, verify: bool) -> Pixels:
    """Return CIFAR-10's test images, on which people's labels are scored; raises DataError unless there are 10,000."""
    pixels = cifar10.read(root, split, verify)
    human = read_human_labels(root, verify)
    if len(pixels.labels) != len(human.probabilities):
        raise DataError(
            f"cifar10h has {len(human.probabilities):,} rows, but {cifar10.where(root)} has {len(pixels.labels):,} "
            "test images: rows and images must be the same, in the publisher's order"
        )
    checksums = {**pixels.checksums, FILE: CHECKSUM} if verify else {}
    return replace(pixels, checksums=checksums, companion=human.fingerprint)


def read_human_labels(root: Path, verify: bool) -> HumanLabels:
    """Return the label distributions, float64 [10000, 10], in the order of CIFAR-10's test set.

    Raises DataError if the file is missing, damaged, not distributions or, with `verify`, not the publisher's.
    """
    path = labels_file(root)
    content = read_bounded(path, 2 * FILE_BYTES)
    if verify:
        check_publisher(path, CHECKSUM, "cifar10h", content)
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")  # refuses a size that the file does not have
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a numpy array file: {error}".splitlines()[0]) from error
    if mapped.shape != SHAPE or mapped.dtype.kind != "f":
        raise DataError(f"{path} does not hold {SHAPE[0]} x {SHAPE[1]} probabilities")
    probabilities = np.array(mapped, dtype=np.float64)
    if not (np.isfinite(probabilities).all() and probabilities.min() >= 0):
        raise DataError(f"{path} holds probabilities that are negative or not finite")
    off = int(np.abs(probabilities.sum(axis=1) - 1).argmax())
    if abs(probabilities[off].sum() - 1) > 1e-5:
        raise DataError(f"{path}: row {off} sums to {probabilities[off].sum():.6f}; every row must sum to 1")
    probabilities.flags.writeable = False
    return HumanLabels("cifar10h", probabilities, hashlib.sha256(content).hexdigest(), verify)


def fetch(root: Path) -> None:
    """Download the file of label distributions, check it, and put it into `root`."""
    if not (root / FOLDER / FILE).is_file():
        download.fetch_files({FILE: PROBABILITIES}, root / FOLDER)
