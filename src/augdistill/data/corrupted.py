"""CIFAR-10-C and CIFAR-100-C (Hendrycks & Dietterich, 2019): corrupted test images, one .npy file for each corruption.

A file holds the test images under severity 1, then under severity 2, ...; labels.npy repeats theirs as often. The
publisher's checksums are those of the archives, so that files are known by what they hold and by their labels.
"""

import hashlib
import os
from pathlib import Path

import numpy as np

from augdistill.base.errors import AugdistillError, DataError, RunError
from augdistill.base.files import write_json
from augdistill.base.model import Record
from augdistill.base.reading import read_array, read_json, sha256
from augdistill.data.imageset import Source, missing
from augdistill.data.packed import packs
from augdistill.shift import CORRUPTIONS, EXTRA, SEVERITIES

FOLDERS = {"cifar10-c": "CIFAR-10-C", "cifar100-c": "CIFAR-100-C"}
ARCHIVES = {
    "cifar10-c": "https://zenodo.org/records/2535967/files/CIFAR-10-C.tar",
    "cifar100-c": "https://zenodo.org/records/3555552/files/CIFAR-100-C.tar",
}
COUNT = 10_000  # test images
SHAPE = (32, 32, 3)
LABELS = "labels"
NOTE = "the publisher has a checksum of the archive alone: files are known by what they hold"


class Known(Record):
    """What a cache remembers of a set's files: their state, and the fingerprint that they had in it."""

    state: str
    fingerprint: str


def source(name: str, root: Path) -> Source:
    """Return the files of a set that are there, labels last; raises DataError unless all 15 corruptions and labels are.

    The four further corruptions are read where they are there.
    """
    folder = root.expanduser().resolve() / FOLDERS[name]
    needed = [*CORRUPTIONS, LABELS]
    found = [key for key in (*CORRUPTIONS, *EXTRA, LABELS) if os.path.isfile(folder / f"{key}.npy")]
    if lacking := [key for key in needed if key not in found]:
        layout = f"{len(needed)} files such as fog.npy and labels.npy (there is no {lacking[0]}.npy)"
        raise missing(name, folder, layout, f"unpack {ARCHIVES[name]}, or set dataset.root")
    return Source(str(folder), [str(folder / f"{key}.npy") for key in found])


def corruptions(name: str, root: Path) -> list[str]:
    """Return the names of the corruptions that are there."""
    return [Path(path).stem for path in source(name, root).files if Path(path).stem != LABELS]


def fingerprint(name: str, root: Path, cache: Path) -> str:
    """Return a digest of a set's files, remembered in `cache` until one of them changes. Raises DataError."""
    files = source(name, root)
    state, path = files.state()["digest"], cache / f"{name}.json"
    try:
        known = read_json(path, Known, "it is written again")
        if known.state == state:
            return known.fingerprint
    except (FileNotFoundError, AugdistillError):
        pass
    digest = hashlib.sha256("\n".join(f"{Path(each).name} {hashed(Path(each))}" for each in files.files).encode())
    if packs():
        cache.mkdir(parents=True, exist_ok=True)
        write_json(path, {"state": state, "fingerprint": digest.hexdigest()})
    return digest.hexdigest()


def hashed(path: Path) -> str:
    """Return the SHA-256 of a file; DataError if it cannot be read."""
    try:
        return sha256(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def read_labels(name: str, root: Path) -> np.ndarray:
    """Return the labels, int64 [N], of the images under one severity; raises DataError unless all severities agree."""
    path = Path(source(name, root).where) / f"{LABELS}.npy"
    rows = COUNT * len(SEVERITIES)
    values = whole(path, (rows,)).astype(np.int64).reshape(len(SEVERITIES), COUNT)
    if (values != values[0]).any():
        raise DataError(f"{path} does not repeat the same {COUNT:,} labels for each of {len(SEVERITIES)} severities")
    return np.array(values[0])


def read_images(name: str, root: Path, corruption: str) -> np.ndarray:
    """Return the images under one corruption, bytes [severity,N,C,H,W]; raises DataError for a file of other shape."""
    path = Path(source(name, root).where) / f"{corruption}.npy"
    values = whole(path, (COUNT * len(SEVERITIES), *SHAPE))
    if values.dtype != np.uint8:
        raise DataError(f"{path} holds {values.dtype}; bytes are expected")
    return values.reshape(len(SEVERITIES), COUNT, *SHAPE).transpose(0, 1, 4, 2, 3)


def whole(path: Path, wanted: tuple[int, ...]) -> np.ndarray:
    """Return the whole numbers of a .npy file of this shape, refused before memory is taken; raises DataError."""

    def check_shape(name: str, shape: tuple[int, ...]) -> None:
        if shape != wanted:
            raise ValueError(f"shape {list(shape)} where {list(wanted)} is expected")

    try:
        values = read_array(path, "get it again from its publisher", check_shape)
    except FileNotFoundError:
        raise DataError(f"{path} is not there") from None
    except RunError as error:
        raise DataError(str(error)) from None
    if values.dtype.kind not in "iu":
        raise DataError(f"{path} holds {values.dtype}; whole numbers are expected")
    return values
