"""CINIC-10: the ImageNet part of its test fold, in a fixed order, and refusals."""

import numpy as np
import pytest

from augdistill.base.errors import DataError
from augdistill.data import cinic10
from augdistill.data.imageset import CIFAR_CLASSES
from data_files import (
    pixels,
    write_cinic10,
    write_image,
)


def test_cinic10_is_its_imagenet_part_in_a_fixed_order(tmp_path) -> None:
    folder = write_cinic10(tmp_path, per_class=2)
    grey = pixels(32, 32, seed=77)
    write_image(folder / "truck" / "n00000009_9.png", grey)
    read = cinic10.read(tmp_path, "test", verify=True)
    assert read.labels.tolist() == sorted([*range(10), *range(10), 9])
    assert np.array_equal(read.images[3], pixels(32, 32, 3, seed=11).transpose(2, 0, 1))  # automobile, the second
    assert np.array_equal(read.images[-1], np.stack([grey] * 3))
    assert read.classes == CIFAR_CLASSES
    assert read.note == "21 images; the full ImageNet part of the test fold has 70,000"
    assert not read.verified


def test_cinic10_refusals_name_what_is_wrong(tmp_path) -> None:
    folder = write_cinic10(tmp_path)
    small = folder / "cat" / "n1_1.png"
    write_image(small, pixels(16, 32, 3))
    with pytest.raises(DataError, match=r"n1_1.png cannot be used: it is 32 x 16, not 32 x 32"):
        cinic10.read(tmp_path, "test", verify=False)
    small.write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"n1_1.png cannot be used"):
        cinic10.read(tmp_path, "test", verify=False)
    small.unlink()
    (folder / "zebra").mkdir()
    with pytest.raises(DataError, match=r"zebra; expected exactly airplane"):
        cinic10.source(tmp_path, "test")
    (folder / "zebra").rmdir()
    for path in (folder / "dog").glob("n*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"dog has no PNG file from ImageNet"):
        cinic10.source(tmp_path, "test")
