"""Published files of corrupted images: read, mapped, and refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from augdistill.base.errors import DataError
from augdistill.data import corrupted
from augdistill.shift import CORRUPTIONS
from data_files import write_cifar10_c


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(corrupted, "COUNT", 4)
    write_cifar10_c(tmp_path, np.arange(4) % 3)
    return tmp_path


def test_images_lie_by_severity_and_labels_repeat(root):
    stored = np.load(root / "CIFAR-10-C" / "fog.npy")
    images = corrupted.read_images("cifar10-c", root, "fog")
    assert images.shape == (5, 4, 3, 32, 32)
    assert np.array_equal(images[2, 1], stored[2 * 4 + 1].transpose(2, 0, 1))
    assert corrupted.read_labels("cifar10-c", root).tolist() == [0, 1, 2, 0]
    assert corrupted.corruptions("cifar10-c", root) == [*CORRUPTIONS, "spatter"]


def test_the_fingerprint_is_remembered_until_a_file_changes(root, monkeypatch):
    before = corrupted.fingerprint("cifar10-c", root, root / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(corrupted, "hashed", lambda path: pytest.fail("read again"))
        assert corrupted.fingerprint("cifar10-c", root, root / "cache") == before
    path = root / "CIFAR-10-C" / "snow.npy"
    np.save(path, np.load(path)[::-1])
    assert corrupted.fingerprint("cifar10-c", root, root / "cache") != before


def lost(folder: Path) -> None:
    (folder / "snow.npy").unlink()


def short(folder: Path) -> None:
    np.save(folder / "fog.npy", np.zeros((19, 32, 32, 3), np.uint8))


def floats(folder: Path) -> None:
    np.save(folder / "fog.npy", np.zeros((20, 32, 32, 3), np.float32))


def objects(folder: Path) -> None:
    np.save(folder / "fog.npy", np.array([{}] * 20, dtype=object), allow_pickle=True)


def wide(folder: Path) -> None:
    np.save(folder / "fog.npy", np.zeros((20, 32, 32, 3), np.int16))


def mixed(folder: Path) -> None:
    np.save(folder / "labels.npy", np.arange(20))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lost, r"there is no snow\.npy.*zenodo\.org/records/2535967"),
        (short, r"shape \[19, 32, 32, 3\] where \[20, 32, 32, 3\]"),
        (floats, "float32; whole numbers"),
        (objects, "fog.npy"),
        (wide, "int16; bytes are expected"),
        (mixed, "does not repeat the same 4 labels"),
    ],
)
def test_what_is_wrong_is_one_line(damage, said, root):
    damage(root / "CIFAR-10-C")
    read = corrupted.read_labels if damage is mixed else lambda *where: corrupted.read_images(*where, "fog")
    with pytest.raises(DataError, match=said) as refused:
        read("cifar10-c", root)
    assert "\n" not in str(refused.value)
