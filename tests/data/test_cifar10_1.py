"""CIFAR-10.1: both versions, and refusals."""

import numpy as np
import pytest

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.data.cifar10_1 import CHECKSUMS, V4, V6
from augdistill.data.imageset import CIFAR_CLASSES
from data_files import load, md5, write_cifar10_1


@pytest.mark.parametrize(("version", "full"), [("v4", "2,021"), ("v6", "2,000")])
def test_a_version_is_what_its_files_hold(tmp_path, version, full) -> None:
    folder = write_cifar10_1(tmp_path, version)
    read = load(tmp_path, f"cifar10.1-{version}", "test")
    images, labels = (np.load(folder / f"cifar10.1_{version}_{kind}.npy") for kind in ("data", "labels"))
    assert np.array_equal(read.images.transpose(0, 2, 3, 1), images)
    assert read.labels.tolist() == labels.tolist()
    assert read.header.classes == CIFAR_CLASSES
    assert read.header.note == f"30 images; the full test set has {full}"
    assert (V4.TEST_SET, V6.LABEL) == ("cifar10.1-v4", "CIFAR-10.1 v6")


def test_checksums_decide(tmp_path, monkeypatch) -> None:
    folder = write_cifar10_1(tmp_path)
    with pytest.raises(DataError, match=r"cifar10.1_v6_data.npy is not the publisher's"):
        V6.read(tmp_path, "test", verify=True)
    for name in V6.names:
        monkeypatch.setitem(CHECKSUMS, name, f"md5:{md5((folder / name).read_bytes())}")
    assert data.header("cifar10.1-v6", "test", root=tmp_path, cache=tmp_path / "cache").verified


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (
            "data",
            np.zeros((30, 3, 32, 32), np.uint8),
            r"holds uint8 \[30, 3, 32, 32\]; expected bytes \[N, 32, 32, 3\]",
        ),
        ("data", np.zeros((30, 32, 32, 3)), "holds float64"),
        ("data", np.zeros((0, 32, 32, 3), np.uint8), "expected bytes"),
        ("labels", np.zeros(29, np.int64), "is not one whole number for each of the 30 images"),
        ("labels", np.zeros(30), "is not one whole number"),
        ("labels", np.full(30, 10), "labels from 10 to 10; allowed: 0 to 9"),
        ("labels", np.array([{}] * 30), "is not a numpy array file: an array of Python objects"),
        ("labels", None, "is not a numpy array file"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, kind, values, words) -> None:
    path = write_cifar10_1(tmp_path) / f"cifar10.1_v6_{kind}.npy"
    np.save(path, values) if values is not None else path.write_bytes(b"PK")
    with pytest.raises(DataError, match=words) as caught:
        V6.read(tmp_path, "test", verify=False)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path) -> None:
    write_cifar10_1(tmp_path, "v4")
    with pytest.raises(DataError, match=r"^cifar10.1-v6 is not in .*cifar10.1_v6_data.npy and .*fetch cifar10.1-v6"):
        V6.source(tmp_path, "test")
