"""SVHN (Netzer et al., 2011), cropped digits: 73,257 + 26,032 RGB images of 32 x 32 in ten classes, as MATLAB files."""

import io
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.errors import DataError
from augdistill.data import download
from augdistill.data.files import check_publisher, read_bounded
from augdistill.data.imageset import Pixels, Source, incomplete, missing

SPLITS = ("train", "test")
TEST_SET = "svhn-test"
LABEL = "SVHN"
FOLDER = "SVHN"
FULL = {"train": 73_257, "test": 26_032}
FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}
CHECKSUMS = {
    "train_32x32.mat": "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "md5:eb5a983be6a315427106f1b164d9cef3",
}
CLASSES = tuple("0123456789")
MAX_BYTES = 256 * 2**20  # of a file; the training file has 182 MB
MAX_UNPACKED = 320 * 2**20  # the training images have 225 MB
HOST = "https://ufldl.stanford.edu/housenumbers/"
HEADER, TAG, COMPRESSED = 128, 8, 15  # bytes, bytes, a type, of MATLAB's format 5
MARK = b"\x00\x01IM"  # format 5, little-endian
BLOCK = 2**20


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the files."""
    return str(root / FOLDER)


def shape() -> tuple[int, int, int]:
    """Return the shape of an image."""
    return 3, 32, 32


def source(root: Path, split: str) -> Source:
    """Return the file of a split; raises DataError if it is missing."""
    path = root / FOLDER / FILES[split]
    if not os.path.isfile(path):
        layout, remedy = " and ".join(FILES.values()), "type `augdistill data fetch svhn`, or set dataset.root"
        raise missing("svhn", root / FOLDER, layout, remedy)
    return Source(where(root), [str(path)])


def read(root: Path, split: str, verify: bool) -> Pixels:
    """Return the images [N, 3, 32, 32] and labels of a split; the publisher's label 10 is the digit 0.

    Raises DataError if the file is damaged, not what it should be or, with `verify`, not the publisher's.
    """
    path, name = root / FOLDER / FILES[split], FILES[split]
    content = read_bounded(path, MAX_BYTES)
    if verify:
        check_publisher(path, CHECKSUMS[name], "svhn", content)
    images, labels = read_mat(path, content)
    if labels.min() < 1 or labels.max() > len(CLASSES):
        raise DataError(f"{path}: labels from {labels.min()} to {labels.max()}; allowed: 1 to 10")
    note = incomplete(len(labels), FULL[split], f"{split} set")
    checksums = {name: CHECKSUMS[name]} if verify else {}
    return Pixels(
        images.transpose(3, 2, 0, 1), labels.astype(np.int64) % len(CLASSES), CLASSES, verify, checksums, note
    )


def read_mat(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return X, uint8 [32, 32, 3, N], and y, uint8 [N], of a MATLAB file of format 5.

    What it unpacks to is measured, and the variables' shapes and types are looked at, before scipy makes arrays. Raises
    DataError for anything else than these.
    """
    from scipy.io import loadmat, whosmat

    if content[HEADER - len(MARK) : HEADER] != MARK:
        raise DataError(f"{path} is not a MATLAB file of format 5")
    try:
        if unpacked_size(content) > MAX_UNPACKED:
            raise ValueError(f"it unpacks to more than {MAX_UNPACKED:,} bytes")
        found = {name: (size, kind) for name, size, kind in whosmat(io.BytesIO(content))}
        count = found.get("X", ((), ""))[0][-1:]
        wanted = {"X": ((32, 32, 3, *count), "uint8"), "y": ((*count, 1), "uint8")}
        if not count or count == (0,) or {name: found.get(name) for name in wanted} != wanted:
            raise ValueError("X is not bytes [32, 32, 3, N], or y not bytes [N, 1]")
        arrays: dict[str, Any] = loadmat(io.BytesIO(content), variable_names=["X", "y"])
        images, labels = np.asarray(arrays["X"]), np.asarray(arrays["y"])
        if images.dtype != np.uint8 or labels.dtype != np.uint8:
            raise ValueError("X and y are not bytes")
    except MemoryError:
        raise
    except Exception as error:  # scipy's reader raises almost anything on a damaged file
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())[:120]}") from error
    return images, labels[:, 0]


def unpacked_size(content: bytes) -> int:
    """Return the bytes that the elements of a file of format 5 unpack to, at most one block over MAX_UNPACKED."""
    size, at = 0, HEADER
    while at + TAG <= len(content) and size <= MAX_UNPACKED:
        kind, length = np.frombuffer(content, dtype="<u4", count=2, offset=at).tolist()
        at += TAG
        if kind != COMPRESSED:
            size += length
        else:
            stream, packed = zlib.decompressobj(), content[at : at + length]
            while packed and size <= MAX_UNPACKED and not stream.eof:
                size += len(stream.decompress(packed, BLOCK))
                packed = stream.unconsumed_tail
        at += length
    return size


def fetch(root: Path) -> None:
    """Download the two files, checking each, into `root`."""
    files = {name: download.Download((HOST + name,), checksum, MAX_BYTES) for name, checksum in CHECKSUMS.items()}
    download.fetch_files(files, root / FOLDER)
