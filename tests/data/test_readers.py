"""What the readers of published datasets read and refuse; torchvision's own readers are the reference."""

import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
import torchvision.datasets

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.data import cifar10, cifar10h, cinic10, mnist
from augdistill.data.imageset import CIFAR_CLASSES
from data_files import (
    BATCHES,
    human_probabilities,
    idx,
    labels,
    pixels,
    write_cifar10,
    write_cifar10h,
    write_cinic10,
    write_mnist,
    write_png,
)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def torchvision_cifar10(root, train: bool) -> torchvision.datasets.CIFAR10:
    """torchvision's reader, which checks md5, told the checksums of the synthetic files."""
    folder = root / cifar10.FOLDER
    sums = [[name, md5((folder / name).read_bytes())] for name in BATCHES]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5((folder / "batches.meta").read_bytes())}
    reader = type("Synthetic", (torchvision.datasets.CIFAR10,), {})
    reader.train_list, reader.test_list, reader.meta = sums[:5], sums[5:], meta
    return reader(root, train=train)


def test_checksums_are_those_that_torchvision_has() -> None:
    reference = torchvision.datasets.CIFAR10
    ours = {name: checksum for split in cifar10.CHECKSUMS.values() for name, checksum in split.items()}
    assert ours == {name: f"md5:{checksum}" for name, checksum in (*reference.train_list, *reference.test_list)}
    assert cifar10.ARCHIVE.urls == (reference.url,)
    assert cifar10.ARCHIVE.checksum == f"md5:{reference.tgz_md5}"
    resources = torchvision.datasets.MNIST.resources
    assert {name: f"md5:{checksum}" for name, checksum in resources} == mnist.ARCHIVES
    assert mnist.MIRROR in torchvision.datasets.MNIST.mirrors


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


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_is_read_as_torchvision_reads_it(tmp_path, split, zipped) -> None:
    write_mnist(tmp_path / "plain")
    write_mnist(tmp_path / "zipped", zipped=True)
    read = mnist.read(tmp_path / ("zipped" if zipped else "plain"), split, verify=False)
    reference = torchvision.datasets.MNIST(tmp_path / "plain", train=split == "train")
    assert np.array_equal(read.images[:, 0], reference.data.numpy())
    assert read.labels.tolist() == reference.targets.tolist()
    coloured = mnist.read(tmp_path / "plain", split, verify=False, channels=3)
    assert np.array_equal(coloured.images, np.stack([reference.data.numpy()] * 3, axis=1))


def test_mnist_checksums_are_of_the_decompressed_content(tmp_path, monkeypatch) -> None:
    folder = write_mnist(tmp_path / "plain")
    write_mnist(tmp_path / "zipped", zipped=True)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is not the publisher's"):
        mnist.read(tmp_path / "plain", "train", verify=True)
    for name in mnist.CHECKSUMS:
        monkeypatch.setitem(mnist.CHECKSUMS, name, f"md5:{md5((folder / name).read_bytes())}")
    headers = [
        data.header("mnist", "train", root=tmp_path / kind, cache=tmp_path / "cache") for kind in ("plain", "zipped")
    ]
    assert headers[0] == headers[1]
    assert headers[0].verified


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_found_with_a_dot_in_its_names(tmp_path, monkeypatch, zipped) -> None:
    folder = write_mnist(tmp_path, zipped=zipped)
    usual = mnist.read(tmp_path, "test", verify=False)
    for path in sorted(folder.iterdir()):
        content = gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()
        monkeypatch.setitem(mnist.CHECKSUMS, path.name.removesuffix(".gz"), f"md5:{md5(content)}")
        path.rename(folder / path.name.replace("-idx", ".idx"))
    assert (folder / f"train-images.idx3-ubyte{'.gz' if zipped else ''}").is_file()
    read = mnist.read(tmp_path, "test", verify=True)
    assert np.array_equal(read.images, usual.images)
    assert read.labels.tolist() == usual.labels.tolist()
    monkeypatch.setitem(mnist.CHECKSUMS, "t10k-images-idx3-ubyte", f"md5:{md5(b'')}")
    with pytest.raises(DataError, match=r"t10k-images\.idx3-ubyte.* is not the publisher's"):
        mnist.read(tmp_path, "test", verify=True)


IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"
IDX_IMAGES = idx(pixels(40, 28, 28))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (IMAGES, IDX_IMAGES[:-1], "shorter"),
        (IMAGES, IDX_IMAGES + b"\0", "longer"),
        (IMAGES, IDX_IMAGES[:10], "cut short"),
        (IMAGES, b"", "cut short"),
        (IMAGES, struct.pack(">4I", 2049, 40, 28, 28) + IDX_IMAGES[16:], "magic 2049"),
        (IMAGES, struct.pack(">4I", 2051, 40, 14, 56) + IDX_IMAGES[16:], r"shape \[14, 56\]"),
        (IMAGES, struct.pack(">4I", 2051, 2**32 - 1, 28, 28) + IDX_IMAGES[16:], "4,294,967,295 items"),
        (IMAGES, struct.pack(">4I", 2051, 0, 28, 28), "0 items"),
        (IMAGES, idx(pixels(39, 28, 28)), "40 labels for the 39 images"),
        (LABELS, idx(np.full(40, 10, dtype=np.uint8)), "allowed: 0 to 9"),
        (LABELS, idx(labels(41).astype(np.uint8)), "41 labels for the 40 images"),
        (f"{IMAGES}.gz", gzip.compress(IDX_IMAGES, mtime=0)[:-20], "cannot be read"),
        (f"{IMAGES}.gz", IDX_IMAGES, "cannot be read"),
        (f"{IMAGES}.gz", gzip.compress(IDX_IMAGES, mtime=0)[:12] + b"\xff" * 40, "cannot be read"),
        (f"{IMAGES}.gz", gzip.compress(IDX_IMAGES + bytes(10**7), mtime=0), "longer"),
    ],
)
def test_mnist_refuses_a_wrong_file(tmp_path, name, content, words) -> None:
    folder = write_mnist(tmp_path)
    (folder / name.removesuffix(".gz")).unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        mnist.read(tmp_path, "train", verify=False)
    assert "\n" not in str(caught.value)


def test_cinic10_is_its_imagenet_part_in_a_fixed_order(tmp_path) -> None:
    folder = write_cinic10(tmp_path, per_class=2)
    grey = pixels(32, 32, seed=77)
    write_png(folder / "truck" / "n00000009_9.png", grey)
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
    write_png(small, pixels(16, 32, 3))
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


def test_human_labels_are_the_publishers_or_refused(tmp_path, monkeypatch) -> None:
    probabilities = human_probabilities()
    path = write_cifar10h(tmp_path, probabilities)
    with pytest.raises(DataError, match="not the publisher's"):
        data.load_human_labels("cifar10h", root=tmp_path)
    monkeypatch.setattr(cifar10h, "CHECKSUM", f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    human = data.load_human_labels("cifar10h", root=tmp_path)
    assert np.array_equal(human.probabilities, probabilities)
    assert human.probabilities.dtype == np.float64
    assert human.verified
    assert human.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:9999], "10000 x 10"),
        (lambda rows: rows.astype(np.int64), "10000 x 10"),
        (lambda rows: np.where(np.arange(10) == 3, np.nan, rows), "not finite"),
        (lambda rows: rows - 0.5 * (np.arange(10) == 0) + 0.5 * (np.arange(10) == 1), "negative"),
        (lambda rows: rows * (1 + 1e-4 * (np.arange(10_000) == 7)[:, None]), "row 7 sums to 1.0001"),
        (lambda rows: rows.astype(object), "not a numpy array"),
    ],
)
def test_human_labels_must_be_distributions(tmp_path, change, words) -> None:
    path = write_cifar10h(tmp_path, human_probabilities())
    np.save(path, change(human_probabilities()))
    with pytest.raises(DataError, match=words):
        data.load_human_labels("cifar10h", root=tmp_path, verify=False)


def test_human_labels_announcing_more_than_the_file_holds_are_refused(tmp_path) -> None:
    path = write_cifar10h(tmp_path, human_probabilities())
    path.write_bytes(path.read_bytes().replace(b"(10000, 10)", b"(90000000, 10000)", 1)[:2000])
    with pytest.raises(DataError, match=r"cifar10h-probs\.npy"):
        data.load_human_labels("cifar10h", root=tmp_path, verify=False)


def test_cifar10h_needs_cifar10s_whole_test_set(tmp_path) -> None:
    write_cifar10h(tmp_path, human_probabilities())
    write_cifar10(tmp_path)
    with pytest.raises(DataError, match=r"has 10,000 rows, but .* has 20 test images"):
        data.load("cifar10h", "test", root=tmp_path, cache=tmp_path / "cache", verify=False)
