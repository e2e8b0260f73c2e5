"""What this room hands out, and what a dataset's own file hands to it."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.errors import DataError

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Header:
    """What is known of an image set without reading a pixel; `mean` and `std` per channel, of pixels in 0..1."""

    name: str
    split: str
    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    fingerprint: str
    verified: bool
    note: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class ImageSet:
    """Images uint8 [N, C, H, W], a read-only memory map, channels last in memory; labels int64 [N], read-only too."""

    header: Header
    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class HumanLabels:
    """Human label distributions, float64 [N, K], rows in the order of the test set that people labelled."""

    name: str
    probabilities: np.ndarray
    fingerprint: str
    verified: bool


@dataclass(frozen=True)
class Pixels:
    """What a reader returns: images uint8 [N, C, H, W] and labels int64 [N] in the publisher's order.

    `checksums` are the publisher's, by file name, where they were checked and held; `verified` is true then, and for
    data that comes with an installed package. `companion` is the digest of what belongs to the images beside labels.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    verified: bool = False
    checksums: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    companion: str = ""


@dataclass(frozen=True)
class Source:
    """The files that one split is read from, and the folder (or package) they lie in."""

    where: str
    files: Sequence[str] = ()
    version: str = ""

    def state(self) -> dict[str, Any]:
        """Return the count, size and a digest of names, sizes and times: it changes when a file does. Reads no file."""
        digest, size = hashlib.sha256(self.version.encode()), 0
        for path in self.files:
            status = os.stat(path)
            mode = "" if status.st_mode & 0o444 == 0o444 else f"\0{status.st_mode & 0o444:o}"  # who may read it
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}{mode}\n".encode(errors="surrogateescape"))
            size += status.st_size
        return {"where": self.where, "files": len(self.files), "bytes": size, "digest": digest.hexdigest()}


@dataclass(frozen=True)
class StatusRow:
    """One split on this machine; `count`, `verified` and `note` are known once it was read; `size` is in bytes.

    Of one that has no checksums, no more can be known than that it was read.
    """

    dataset: str
    split: str
    found: bool
    where: str
    count: int | None
    verified: bool | None
    size: int
    note: str
    has_checksums: bool = True

    @property
    def state(self) -> str:
        """In words: whether it is there, and whether that is what its publisher gave out."""
        if not self.found:
            return "missing"
        known = "verified" if self.verified else "not verified"
        return "there, read" if self.verified is False and not self.has_checksums else f"there, {known}"


def describe(name: str, split: str, params: Mapping[str, object], pixels: Pixels) -> Header:
    """Return the header of what a reader returned."""
    images = pixels.images
    assert images.dtype == np.uint8
    assert len(images) == len(pixels.labels) > 0
    mean, std = channel_statistics(images)
    return Header(
        name=name,
        split=split,
        count=len(images),
        shape=(images.shape[1], images.shape[2], images.shape[3]),
        classes=pixels.classes,
        fingerprint=fingerprint(name, split, params, pixels),
        verified=pixels.verified,
        note=pixels.note,
        mean=mean,
        std=std,
    )


def fingerprint(name: str, split: str, params: Mapping[str, object], pixels: Pixels) -> str:
    """Return a hexadecimal digest of the publisher's checksums where they held, else of the images and labels."""
    if pixels.checksums:
        text = json.dumps([name, split, dict(params), dict(pixels.checksums)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()
    digest = hashlib.sha256(json.dumps([pixels.images.shape, pixels.classes, pixels.companion]).encode())
    digest.update(np.ascontiguousarray(pixels.images).data)
    digest.update(np.ascontiguousarray(pixels.labels, dtype="<i8").data)
    if any(channel.min() == channel.max() for channel in pixels.images.swapaxes(0, 1)):
        digest.update(b"constant channels are divided by 1")  # older versions divided by 0: their runs are others
    return digest.hexdigest()


def channel_statistics(
    images: np.ndarray, rows: np.ndarray | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of `images` (uint8 [N, C, H, W]), or of `rows`, in 0..1.

    Exact up to the last division: the sums are taken over counts of the 256 pixel values.
    """
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for start in range(0, len(images) if rows is None else len(rows), 4096):  # bincount copies to eight times the size
        part = images[slice(start, start + 4096) if rows is None else rows[start : start + 4096]]
        for channel, count in enumerate(counts):
            count += np.bincount(part[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    total = counts.sum(axis=1)
    mean = counts @ values / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / total
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())


def incomplete(count: int, full: int, what: str) -> str:
    """Return the note of a set that has another number of images than the publisher's; empty where it has all."""
    return "" if count == full else f"{count:,} images; the full {what} has {full:,}"


def missing(name: str, where: Path | str, layout: str, remedy: str) -> DataError:
    """Return the error for a dataset that is not where it was looked for."""
    return DataError(f"{name} is not in {where}: expected {layout}; {remedy}")
