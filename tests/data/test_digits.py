"""Digits: the whole bundled set once, enlarged as torch does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from augdistill.base.errors import ConfigError
from augdistill.data import digits


@pytest.mark.parametrize("size", [8, 9, 16, 28, 32, 33])
def test_digits_are_enlarged_as_torch_does(size) -> None:
    images = load_digits().images[:200]
    reference = torch.nn.functional.interpolate(
        torch.from_numpy(images)[:, None] * (255 / 16), size=size, mode="bilinear", align_corners=False
    )
    ours = digits.enlarge(images.astype(np.int64), size)
    assert ours.dtype == np.uint8
    assert np.abs(ours - reference[:, 0].numpy()).max() <= 0.5 + 1e-9
    assert (ours.min(), ours.max()) == (0, 255)


@pytest.mark.parametrize("count", [360, 898])
def test_digits_splits_are_the_whole_set_once(count: int) -> None:
    splits = {split: digits.read(Path(), split, True, size=8, test_images=count) for split in ("train", "test")}
    both = np.concatenate([splits[split].images.reshape(-1, 64) for split in splits])
    bundled = load_digits()
    rounded = np.floor(bundled.data * (255 / 16) + 0.5).astype(np.uint8)
    assert sorted(map(bytes, both)) == sorted(map(bytes, rounded))
    assert [len(splits[split].labels) for split in splits] == [1797 - count, count]
    shares = np.bincount(splits["test"].labels) - count * np.bincount(bundled.target) / 1797
    assert np.abs(shares).max() < 1
    assert splits["test"].verified


@pytest.mark.parametrize("count", [9, 1788, 360.0, True])
def test_digits_are_refused_without_ten_images_on_either_side(count: object) -> None:
    assert digits.shape(test_images=10) == digits.shape(test_images=1787) == (1, 16, 16)
    with pytest.raises(ConfigError, match=f"dataset.test_images={count}.*10 to 1787 of 1797 images"):
        digits.read(Path(), "train", True, test_images=count)


def test_digits_channels_are_equal() -> None:
    one, three = (digits.read(Path(), "test", True, channels=channels).images for channels in (1, 3))
    assert np.array_equal(three, np.concatenate([one] * 3, axis=1))


def test_digits_split_is_the_same_everywhere() -> None:
    labels = digits.read(Path(), "test", True).labels
    assert labels[:12].tolist() == [4, 9, 8, 0, 5, 9, 0, 8, 7, 7, 5, 1]  # as first released


def test_some_classes_are_those_images_of_the_whole_in_their_order() -> None:
    whole, some = (digits.read(Path(), "test", True, classes=classes) for classes in (range(10), [2, 5, 9]))
    kept = np.isin(whole.labels, [2, 5, 9])
    assert np.array_equal(some.images, whole.images[kept])
    assert some.classes == ("2", "5", "9")
    assert [int(some.classes[label]) for label in some.labels] == whole.labels[kept].tolist()


@pytest.mark.parametrize("classes", [[], [3], [3, 3], [5, 2], [0, 10], [-1, 2], [0.0, 1.0], [True, 2]])
def test_classes_that_are_no_digits_are_refused(classes: list) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.classes=.*two or more digits, rising"):
        digits.read(Path(), "train", True, classes=classes)
