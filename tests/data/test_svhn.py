"""SVHN: what its reader reads, as torchvision's does, and refuses before scipy makes anything of it."""

import numpy as np
import pytest
import torchvision.datasets
from scipy.io import savemat

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.data import svhn
from data_files import md5, pixels, write_svhn


def test_checksums_are_those_that_torchvision_has() -> None:
    known = {name: f"md5:{checksum}" for _, name, checksum in torchvision.datasets.SVHN.split_list.values()}
    assert known.items() >= svhn.CHECKSUMS.items()
    assert svhn.HOST.replace("https", "http") + "train_32x32.mat" == torchvision.datasets.SVHN.split_list["train"][0]


@pytest.mark.parametrize("split", ["train", "test"])
def test_it_is_read_as_torchvision_reads_it(tmp_path, split) -> None:
    folder = write_svhn(tmp_path)
    read = svhn.read(tmp_path, split, verify=False)
    reader = type("Synthetic", (torchvision.datasets.SVHN,), {})
    reader.split_list = {split: ["", svhn.FILES[split], md5((folder / svhn.FILES[split]).read_bytes())]}
    reference = reader(folder, split=split)
    assert np.array_equal(read.images, reference.data)
    assert read.labels.tolist() == reference.labels.tolist()
    assert {*read.labels.tolist()} == {*range(10)}
    assert read.note.endswith(f"the full {split} set has {svhn.FULL[split]:,}")


def test_checksums_decide(tmp_path, monkeypatch) -> None:
    folder = write_svhn(tmp_path)
    with pytest.raises(DataError, match=r"train_32x32.mat is not the publisher's.*data fetch svhn"):
        svhn.read(tmp_path, "train", verify=True)
    for name in svhn.CHECKSUMS:
        monkeypatch.setitem(svhn.CHECKSUMS, name, f"md5:{md5((folder / name).read_bytes())}")
    assert data.header("svhn", "train", root=tmp_path, cache=tmp_path / "cache").verified


IMAGES = pixels(40, 32, 32, 3).transpose(1, 2, 3, 0)
SHAPES = r"X is not bytes \[32, 32, 3, N\], or y not bytes \[N, 1\]"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"X": IMAGES[:16]}, SHAPES),
        ({"X": IMAGES.astype(np.float32)}, SHAPES),
        ({"X": IMAGES[..., :39]}, SHAPES),
        ({"X": IMAGES[..., :0], "y": np.zeros((0, 1), np.uint8)}, SHAPES),
        ({"X": np.array([{}] * 3)}, SHAPES),
        ({"X": {"a": IMAGES}}, SHAPES),
        ({"y": np.ones((40, 2), np.uint8)}, SHAPES),
        ({"y": np.full((40, 1), 11, np.uint8)}, "labels from 11 to 11; allowed: 1 to 10"),
        ({"y": np.zeros((40, 1), np.uint8)}, "labels from 0 to 0; allowed: 1 to 10"),
    ],
)
def test_other_variables_are_refused_in_one_line(tmp_path, changes, words) -> None:
    path = write_svhn(tmp_path, **changes) / "train_32x32.mat"
    with pytest.raises(DataError, match=words) as caught:
        svhn.read(tmp_path, "train", verify=False)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_files_and_other_formats_are_refused(tmp_path) -> None:
    path = write_svhn(tmp_path) / "train_32x32.mat"
    whole = path.read_bytes()
    for content, words in (
        (whole[:-500], "cannot be read"),
        (whole[:200] + bytes(300) + whole[500:], "cannot be read"),
        (whole[:100], "not a MATLAB file of format 5"),
        (b"", "not a MATLAB file of format 5"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=words) as caught:
            svhn.read(tmp_path, "train", verify=False)
        assert "\n" not in str(caught.value)
    savemat(path, {"X": IMAGES[:, :, 0, 0], "y": np.ones((40, 1), np.uint8)}, format="4")
    with pytest.raises(DataError, match="not a MATLAB file of format 5"):
        svhn.read(tmp_path, "train", verify=False)


def test_a_bomb_is_measured_and_not_unpacked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(svhn, "MAX_UNPACKED", 2**20)
    path = write_svhn(tmp_path, X=np.zeros((32, 32, 3, 1000), np.uint8)) / "train_32x32.mat"
    assert path.stat().st_size < 2**16
    assert svhn.unpacked_size(path.read_bytes()) <= 2**20 + svhn.BLOCK  # of 3 MB
    with pytest.raises(DataError, match="unpacks to more than 1,048,576 bytes"):
        svhn.read(tmp_path, "train", verify=False)


def test_what_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"^svhn is not in .*SVHN: expected train_32x32.mat and .*data fetch svhn"):
        svhn.source(tmp_path, "test")
