"""A dataset is in memory once: mapped, shared and not copied where all of it is used."""

from pathlib import Path

import numpy as np
import pytest
import torch

from augdistill.augment import AUGMENTATIONS
from augdistill.config import parameters
from augdistill.data import load
from augdistill.stages import common
from augdistill.training.batches import TrainingSet, make_batch, one_hot, plan_epoch
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


@pytest.mark.parametrize(
    "ops",
    [[], *([[name, parameters("aug", name)]] for name in AUGMENTATIONS)],
    ids=lambda ops: ops[0][0] if ops else "baseline",
)
@pytest.mark.parametrize(("channels", "precision"), [(1, "fp32"), (1, "bf16"), (3, "fp32"), (3, "bf16")])
def test_batches_lie_in_memory_as_the_device_wants_it(tmp_path, channels, precision, ops) -> None:
    """Of one channel both formats are one; its strides are those of contiguous memory, by which convolutions go."""
    images = load("digits", "test", root=tmp_path, cache=tmp_path / "cache", size=16, channels=channels)
    device = resolve("cpu", precision, 1)
    data = common.on_device(images, {"mean": [0.5] * channels, "std": [0.5] * channels}, device)
    training = TrainingSet(data.images, one_hot(data.labels, 10), data.mean, data.std, device.memory_format)
    seen = make_batch(training, ops, plan_epoch(training, ops, 0, "teacher", 0, 8, False), 0).images
    evaluated = training.normaliser(data.images[:8])
    last = (channels * 256, 1, channels * 16, channels)
    first = (channels * 256, 256, 16, 1)
    assert seen.stride() == evaluated.stride() == (last if (channels, precision) == (3, "bf16") else first)
