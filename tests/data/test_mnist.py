"""MNIST: what its reader reads, as torchvision's does, and refuses."""

import gzip
import struct

import numpy as np
import pytest
import torchvision.datasets

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.data import mnist
from data_files import (
    idx,
    labels,
    md5,
    pixels,
    write_mnist,
)


def test_mnist_checksums_are_those_that_torchvision_has() -> None:
    resources = torchvision.datasets.MNIST.resources
    assert {name: f"md5:{checksum}" for name, checksum in resources} == mnist.ARCHIVES
    assert mnist.MIRROR in torchvision.datasets.MNIST.mirrors


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
