"""CIFAR-10: what its reader reads, as torchvision's does, and refuses."""

import pickle

import numpy as np
import pytest
import torchvision.datasets

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.data import cifar10
from data_files import (
    BATCHES,
    md5,
    pixels,
    write_cifar10,
)


def torchvision_cifar10(root, train: bool) -> torchvision.datasets.CIFAR10:
    """torchvision's reader, which checks md5, told the checksums of the synthetic files."""
    folder = root / cifar10.FOLDER
    sums = [[name, md5((folder / name).read_bytes())] for name in BATCHES]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5((folder / "batches.meta").read_bytes())}
    reader = type("Synthetic", (torchvision.datasets.CIFAR10,), {})
    reader.train_list, reader.test_list, reader.meta = sums[:5], sums[5:], meta
    return reader(root, train=train)


def test_cifar10_checksums_are_those_that_torchvision_has() -> None:
    reference = torchvision.datasets.CIFAR10
    ours = {name: checksum for split in cifar10.CHECKSUMS.values() for name, checksum in split.items()}
    assert ours == {name: f"md5:{checksum}" for name, checksum in (*reference.train_list, *reference.test_list)}
    assert cifar10.ARCHIVE.urls == (reference.url,)
    assert cifar10.ARCHIVE.checksum == f"md5:{reference.tgz_md5}"


@pytest.mark.parametrize("python2", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_cifar10_is_read_as_torchvision_reads_it(tmp_path, split, python2) -> None:
    write_cifar10(tmp_path, python2=python2)
    read = cifar10.read(tmp_path, split, verify=False)
    reference = torchvision_cifar10(tmp_path, split == "train")
    assert np.array_equal(read.images.transpose(0, 2, 3, 1), reference.data)
    assert read.labels.tolist() == reference.targets
    assert list(read.classes) == reference.classes
    assert read.note == (
        "100 images; the full train set has 50,000" if split == "train" else "20 images; the full test set has 10,000"
    )


def test_cifar10_checksums_decide(tmp_path, monkeypatch) -> None:
    write_cifar10(tmp_path)
    with pytest.raises(DataError, match=r"data_batch_1 is not the publisher's.*dataset\.verify=false"):
        cifar10.read(tmp_path, "train", verify=True)
    unverified = data.load("cifar10", "train", root=tmp_path, cache=tmp_path / "cache", verify=False)
    folder = tmp_path / cifar10.FOLDER
    sums = {name: f"md5:{md5((folder / name).read_bytes())}" for name in BATCHES[:5]}
    monkeypatch.setitem(cifar10.CHECKSUMS, "train", sums)
    verified = data.load("cifar10", "train", root=tmp_path, cache=tmp_path / "cache")
    assert (unverified.header.verified, verified.header.verified) == (False, True)
    assert unverified.header.fingerprint != verified.header.fingerprint
    assert np.array_equal(unverified.images, verified.images)


def cifar_batch(**changes: object) -> bytes:
    return pickle.dumps({"data": pixels(4, 3072), "labels": [0, 1, 2, 9], **changes}, protocol=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (cifar_batch(data=pixels(4, 3071)), "rows of 3,072"),
        (cifar_batch(data=pixels(4, 3072).astype(np.int16)), "array of bytes"),
        (cifar_batch(data=[1, 2]), "array of bytes"),
        (cifar_batch(data=pixels(0, 3072), labels=[]), "labels"),
        (cifar_batch(labels=[0, 1, 2]), "4 images"),
        (cifar_batch(labels=[0, 1, 2, 10]), "allowed: 0 to 9"),
        (cifar_batch(labels=[-1, 1, 2, 3]), "allowed: 0 to 9"),
        (cifar_batch(labels=[0, 1, 2, True]), "whole number"),
        (cifar_batch(labels=[0, 1, 2, 2.0]), "whole number"),
        (cifar_batch(labels=[0, 1, 2, 2**70]), "whole number"),
        (cifar_batch(labels=np.zeros(4)), "whole number"),
        (pickle.dumps([1, 2], protocol=2), "dictionary"),
        (pickle.dumps({}, protocol=2), "array of bytes"),
        (cifar_batch()[:-100], "damaged"),
        (b"", "damaged"),
    ],
)
def test_cifar10_refuses_a_wrong_batch(tmp_path, content, words) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        cifar10.read_batch(path, None)
    assert str(path) in str(caught.value)


def test_cifar10_takes_integer_arrays_as_labels_and_refuses_a_huge_file(tmp_path) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(cifar_batch(labels=np.array([0, 1, 2, 9], dtype=">i4")))
    assert cifar10.read_batch(path, None)[1].tolist() == [0, 1, 2, 9]
    with path.open("wb") as file:
        file.truncate(2**33)  # sparse: 8 GB that are not there
    with pytest.raises(DataError, match="larger than"):
        cifar10.read_batch(path, None)
