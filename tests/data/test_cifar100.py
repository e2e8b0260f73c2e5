"""CIFAR-100: what its reader reads, as torchvision's does, in bounded memory, and refuses."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torchvision.datasets

from augdistill import data
from augdistill.base.errors import ConfigError, DataError
from augdistill.data import cifar100
from augdistill.data.cifar10 import Batches
from data_files import load, md5, pixels, python2_batch, write_cifar100


def torchvision_cifar100(root, train: bool) -> torchvision.datasets.CIFAR100:
    """torchvision's reader, which checks md5, told the checksums of the synthetic files."""
    sums = {name: md5((root / cifar100.FOLDER / name).read_bytes()) for name in ("train", "test", "meta")}
    reader = type("Synthetic", (torchvision.datasets.CIFAR100,), {})
    reader.train_list, reader.test_list = [["train", sums["train"]]], [["test", sums["test"]]]
    reader.meta = {**reader.meta, "md5": sums["meta"]}
    return reader(root, train=train)


def test_checksums_are_those_that_torchvision_has() -> None:
    reference = torchvision.datasets.CIFAR100
    lists = (*reference.train_list, *reference.test_list)
    assert {name: f"md5:{checksum}" for name, checksum in lists} == cifar100.CHECKSUMS
    assert cifar100.ARCHIVE.urls == (reference.url,)
    assert cifar100.ARCHIVE.checksum == f"md5:{reference.tgz_md5}"
    assert reference.base_folder == cifar100.FOLDER


@pytest.mark.parametrize("python2", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_it_is_read_as_torchvision_reads_it(tmp_path, split, python2) -> None:
    write_cifar100(tmp_path, python2=python2)
    read = cifar100.read(tmp_path, split, verify=False)
    reference = torchvision_cifar100(tmp_path, split == "train")
    assert np.array_equal(read.images.transpose(0, 2, 3, 1), reference.data)
    assert read.labels.tolist() == reference.targets
    assert list(read.classes) == reference.classes
    count, full = (200, "50,000") if split == "train" else (100, "10,000")
    assert read.note == f"{count} images; the full {split} set has {full}"


def test_classes_are_a_hundred_and_twenty_in_order() -> None:
    assert [len(names) for names in cifar100.CLASSES.values()] == [100, 20]
    assert all(list(names) == sorted(set(names)) for names in cifar100.CLASSES.values())


def test_coarse_labels_are_another_dataset(tmp_path) -> None:
    write_cifar100(tmp_path)
    fine, coarse = (load(tmp_path, "cifar100", labels=labels) for labels in ("fine", "coarse"))
    assert np.array_equal(coarse.labels, fine.labels // 5)  # as they were written
    assert np.array_equal(coarse.images, fine.images)
    assert (len(fine.header.classes), len(coarse.header.classes)) == (100, 20)
    assert fine.header.fingerprint != coarse.header.fingerprint
    with pytest.raises(ConfigError, match=r"dataset\.labels=corse is unknown \(did you mean coarse\?\)"):
        load(tmp_path, "cifar100", labels="corse")


def test_checksums_decide(tmp_path, monkeypatch) -> None:
    folder = write_cifar100(tmp_path)
    with pytest.raises(DataError, match=r"train is not the publisher's.*data fetch cifar100"):
        cifar100.read(tmp_path, "train", verify=True)
    monkeypatch.setitem(cifar100.CHECKSUMS, "train", f"md5:{md5((folder / 'train').read_bytes())}")
    fine, coarse = (
        data.header("cifar100", "train", root=tmp_path, cache=tmp_path / "cache", labels=labels)
        for labels in ("fine", "coarse")
    )
    assert fine.verified
    assert fine.fingerprint != coarse.fingerprint


def file(**changes: object) -> bytes:
    kept = {"data": pixels(4, 3072), "fine_labels": [0, 1, 2, 99], "coarse_labels": [0, 1, 2, 19]}
    return pickle.dumps({**kept, **changes}, protocol=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (file(data=pixels(4, 3071)), "rows of 3,072"),
        (file(fine_labels=[0, 1, 2]), "`fine_labels` is not one whole number for each of the 4 images"),
        (file(fine_labels=[0, 1, 2, 100]), "`fine_labels` from 0 to 100; allowed: 0 to 99"),
        (file(fine_labels=None), "`fine_labels` is not one whole number"),
        (pickle.dumps([1]), "is not a CIFAR-100 batch: expected a dictionary with `data` and `fine_labels`"),
        (file()[:-200], "damaged"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, content, words) -> None:
    path = write_cifar100(tmp_path) / "train"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        cifar100.read(tmp_path, "train", verify=False)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_coarse_labels_have_a_range_of_their_own(tmp_path) -> None:
    (write_cifar100(tmp_path) / "train").write_bytes(file(coarse_labels=[0, 1, 2, 20]))
    with pytest.raises(DataError, match=r"`coarse_labels` from 0 to 20; allowed: 0 to 19"):
        cifar100.read(tmp_path, "train", verify=False, labels="coarse")


def test_a_file_takes_at_most_five_times_its_size_in_memory(tmp_path) -> None:
    """As `Batches` says; the publisher's training file has 155 MB, so it takes under 1 GB."""
    path, count = tmp_path / "train", 3000
    path.write_bytes(python2_batch(pixels(count, 3072), fine_labels=[0] * count))
    batches = Batches("cifar100", "CIFAR-100", "fine_labels", 100, cifar100.MAX_BYTES)
    tracemalloc.start()
    try:
        cifar100.read_batch(path, None, batches)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * path.stat().st_size
    assert 5 * cifar100.MAX_BYTES < 2**30


def test_a_file_larger_than_the_bound_is_not_read(tmp_path) -> None:
    path = write_cifar100(tmp_path) / "train"
    with path.open("wb") as sparse:
        sparse.truncate(cifar100.MAX_BYTES + 1)
    with pytest.raises(DataError, match="larger than 201,326,592 bytes"):
        cifar100.read(tmp_path, "train", verify=False)
