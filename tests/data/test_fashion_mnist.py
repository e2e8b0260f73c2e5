"""Fashion-MNIST: MNIST's format under its own names; what is refused of a file tests/data/test_mnist.py sees."""

import numpy as np
import pytest
import torchvision.datasets

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.data import fashion_mnist
from data_files import md5, write_mnist


def test_checksums_and_classes_are_those_that_torchvision_has() -> None:
    reference = torchvision.datasets.FashionMNIST
    assert {name: f"md5:{checksum}" for name, checksum in reference.resources} == fashion_mnist.ARCHIVES
    assert list(fashion_mnist.CLASSES) == reference.classes


@pytest.mark.parametrize("zipped", [False, True])
def test_it_is_read_as_torchvision_reads_it(tmp_path, zipped) -> None:
    write_mnist(tmp_path / "plain", name="FashionMNIST")
    write_mnist(tmp_path / "zipped", name="FashionMNIST", zipped=True)
    read = fashion_mnist.read(tmp_path / ("zipped" if zipped else "plain"), "test", verify=False, channels=3)
    reference = torchvision.datasets.FashionMNIST(tmp_path / "plain", train=False)
    assert np.array_equal(read.images, np.stack([reference.data.numpy()] * 3, axis=1))
    assert read.labels.tolist() == reference.targets.tolist()
    assert list(read.classes) == reference.classes


def test_its_own_checksums_decide(tmp_path, monkeypatch) -> None:
    folder = write_mnist(tmp_path, name="FashionMNIST")
    with pytest.raises(DataError, match=r"train-images.* is not the publisher's.*data fetch fashion-mnist"):
        fashion_mnist.read(tmp_path, "train", verify=True)
    for name in fashion_mnist.CHECKSUMS:
        monkeypatch.setitem(fashion_mnist.CHECKSUMS, name, f"md5:{md5((folder / name).read_bytes())}")
    assert data.header("fashion-mnist", "train", root=tmp_path, cache=tmp_path / "cache").verified


def test_what_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"^fashion-mnist is not in .*FashionMNIST/raw: .*data fetch fashion-mnist"):
        fashion_mnist.source(tmp_path, "train")
