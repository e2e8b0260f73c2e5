"""What is known of an image set: statistics against numpy in float64, fingerprints, the state of its files."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augdistill import data
from augdistill.data.imageset import Pixels, Source, channel_statistics, fingerprint, incomplete
from data_files import load, pixels, write_cifar10


def test_header_agrees_with_the_pixels(tmp_path) -> None:
    write_cifar10(tmp_path)
    images = load(tmp_path)
    scaled = np.asarray(images.images, dtype=np.float64) / 255  # the naive way, in float64
    assert images.header.mean == pytest.approx(scaled.mean(axis=(0, 2, 3)), abs=1e-12)
    assert images.header.std == pytest.approx(scaled.std(axis=(0, 2, 3)), abs=1e-12)
    assert (images.header.count, *images.header.shape) == images.images.shape
    assert images.header == data.header("cifar10", "train", root=tmp_path, cache=tmp_path / "cache", verify=False)
    assert data.expected_shape("cifar10") == images.header.shape


def test_statistics_of_some_rows_are_those_of_these_rows_alone() -> None:
    images, rows = pixels(5000, 2, 3, 3), np.arange(4990, 10, -3)  # more than one part of 4,096
    scaled = images[rows] / 255
    mean, std = channel_statistics(images, rows)
    assert mean == pytest.approx(scaled.mean(axis=(0, 2, 3)), abs=1e-12)
    assert std == pytest.approx(scaled.std(axis=(0, 2, 3)), abs=1e-12)


def test_a_fingerprint_is_of_the_publishers_checksums_or_of_the_content() -> None:
    images, labels = pixels(4, 1, 2, 2), np.arange(4)
    own = Pixels(images, labels, ("a", "b", "c", "d"))
    others = [
        own,
        replace(own, images=images[::-1]),
        replace(own, labels=labels[::-1]),
        replace(own, classes=("a", "b", "c", "e")),
        replace(own, companion="of people"),
        replace(own, images=images.reshape(4, 2, 1, 2)),
        replace(own, checksums={"file": "md5:1"}),
        replace(own, checksums={"file": "md5:2"}),
    ]
    found = [fingerprint("x", "train", {}, pixels) for pixels in others]
    assert len(set(found)) == len(found)
    assert fingerprint("y", "test", {"size": 2}, own) == found[0]  # the content alone
    assert fingerprint("x", "train", {}, replace(others[-1], images=images[::-1])) == found[-1]  # the checksums alone
    assert fingerprint("x", "train", {"size": 2}, others[-1]) != found[-1]


def test_the_state_of_files_tells_their_size_time_and_who_may_read_them(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, 0))
    source = Source("here", [str(path)])
    before = source.state()
    assert (before["where"], before["files"], before["bytes"]) == ("here", 1, 5)
    assert Source("here", [str(path)], version="2").state()["digest"] != before["digest"]
    for change in (lambda: path.chmod(0o200), lambda: path.write_bytes(b"54321"), lambda: os.utime(path, ns=(0, 1))):
        last = source.state()["digest"]
        change()
        assert source.state()["digest"] != last
    path.write_bytes(b"12345")
    path.chmod(0o644)
    os.utime(path, ns=(0, 0))
    assert source.state() == before


def test_a_set_of_another_size_is_told_of() -> None:
    assert incomplete(10_000, 10_000, "test set") == ""
    assert incomplete(9_999, 10_000, "test set") == "9,999 images; the full test set has 10,000"
