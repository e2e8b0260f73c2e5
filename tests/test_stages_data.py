"""A dataset is in memory once: mapped, shared and not copied where all of it is used."""

from pathlib import Path

import numpy as np
import torch

from augdistill.data import load
from augdistill.stages import common
from augdistill.training.device import resolve

STATISTICS = {"mean": [0.5], "std": [0.25]}


def test_pixels_stay_in_the_packed_file(tmp_path: Path) -> None:
    images = load("digits", "train", root=tmp_path, cache=tmp_path, size=16)
    data = common.on_device(images, STATISTICS, resolve("cpu", "fp32", 1))
    assert torch.equal(data.images, torch.from_numpy(np.array(images.images)))
    address, lines = data.images.data_ptr(), Path("/proc/self/maps").read_text().splitlines()
    ranges = [(line, *(int(edge, 16) for edge in line.split()[0].split("-"))) for line in lines]
    (where,) = [line for line, first, last in ranges if first <= address < last]
    assert where.endswith("images.npy")
    packed = Path(images.images.filename).read_bytes()
    data.images[0] = 0
    assert Path(images.images.filename).read_bytes() == packed


def test_arrays_that_are_not_mapped_are_copied() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    images.flags.writeable = False
    found = common.mapped(images)
    assert found.tolist() == images.tolist()
    assert found.data_ptr() != images.ctypes.data


def test_all_rows_in_order_are_no_copy_and_others_are_what_was_asked_for(tmp_path: Path) -> None:
    images = load("digits", "test", root=tmp_path, cache=tmp_path, size=16)
    data = common.on_device(images, STATISTICS, resolve("cpu", "fp32", 1))
    assert data.part(np.arange(len(images.labels))) is data
    rows = np.arange(len(images.labels))[::-1].copy()
    assert torch.equal(data.part(rows).images, data.images.flip(0))
    assert torch.equal(data.part(rows[-3:]).labels, torch.from_numpy(images.labels[[2, 1, 0]]))
