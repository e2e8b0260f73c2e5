"""Digits, a user's own folder of images, and the fixed splits; the references are torch, torchvision, scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from augdistill import data
from augdistill.base.errors import ConfigError, DataError
from augdistill.base.seeds import derive
from augdistill.data import digits, image_folder
from augdistill.data.splits import stratified
from data_files import pixels, write_png

MODES = {"1": "png", "L": "png", "LA": "png", "P": "gif", "RGB": "jpg", "RGBA": "webp", "CMYK": "tiff"}


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


def write_folder(root: Path) -> Path:
    """Two classes, images of several sizes, formats and modes."""
    for split in ("train", "test"):
        for seed, (mode, ending) in enumerate(MODES.items()):
            width, height = 40 + 9 * seed, 71 - 6 * seed
            image = Image.fromarray(pixels(height, width, 3, seed=seed)).convert(mode)
            path = root / split / ("b cat", "a dog")[seed % 2] / f"{mode}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
    return root


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 32, 50])
def test_folder_is_read_as_torchvision_reads_it(tmp_path, size, channels) -> None:
    write_folder(tmp_path)
    read = image_folder.read(Path(), "train", True, path=str(tmp_path), size=size, channels=channels)

    def loader(path: str) -> Image.Image:
        with Image.open(path) as image:
            return image.convert("RGB" if channels == 3 else "L")

    transform = v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size), v2.PILToTensor()])
    reference = ImageFolder(str(tmp_path / "train"), transform=transform, loader=loader, is_valid_file=lambda _: True)
    assert read.labels.tolist() == reference.targets
    assert list(read.classes) == reference.classes == ["a dog", "b cat"]
    assert np.array_equal(read.images, torch.stack([image for image, _ in reference]).numpy())


def test_folder_names_what_it_leaves_out(tmp_path) -> None:
    write_folder(tmp_path)
    (tmp_path / "train" / "a dog" / "notes.txt").write_text("")
    (tmp_path / "train" / "a dog" / "drawing.eps").write_text("%!PS")
    (tmp_path / "train" / "a dog" / ".hidden.png").write_text("")
    folder = data.header("image-folder", "train", root=tmp_path, cache=tmp_path / "cache", path=str(tmp_path))
    names = "a dog/drawing.eps, a dog/notes.txt"
    note = f"1 left out, hidden (a dog/.hidden.png); 2 left out, whose names do not end as an image's ({names})"
    assert (folder.count, folder.note) == (7, note)
    assert not folder.verified


def test_folder_with_another_class_is_read_again(tmp_path) -> None:
    """The same test files, but every label moves by one."""
    write_folder(tmp_path / "own")
    where = {"root": tmp_path, "cache": tmp_path / "cache", "path": str(tmp_path / "own")}
    assert set(data.load("image-folder", "test", **where).labels) == {0, 1}
    for split in ("train", "test"):
        write_png(tmp_path / "own" / split / "a cow" / "1.png", pixels(9, 9, 3))
    assert sorted(set(data.load("image-folder", "test", **where).labels)) == [0, 1, 2]
    assert data.header("image-folder", "test", **where).classes == ("a cow", "a dog", "b cat")


def broken_bytes(folder: Path) -> None:
    (folder / "train" / "a dog" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


def broken_end(folder: Path) -> None:
    path = folder / "train" / "a dog" / "bad.png"
    write_png(path, pixels(64, 64, 3))
    path.write_bytes(path.read_bytes()[:-2000])


def broken_depth(folder: Path) -> None:
    write_png(folder / "train" / "a dog" / "bad.png", pixels(20, 20).astype(np.uint16) * 200)


def broken_aspect(folder: Path) -> None:
    write_png(folder / "train" / "a dog" / "bad.png", pixels(1, 51, 3))


def broken_by_a_bomb(folder: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(folder / "train" / "a dog" / "bad.png")  # 26 kB, 200 million pixels


def broken_by_a_small_bomb(folder: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(folder / "train" / "a dog" / "bad.png")  # where Pillow only warns


@pytest.mark.parametrize("damage", [broken_bytes, broken_end])
def test_folder_counts_and_names_what_is_damaged(tmp_path, damage) -> None:
    whole = image_folder.read(Path(), "train", True, path=str(write_folder(tmp_path)))
    damage(tmp_path)
    read = image_folder.read(Path(), "train", True, path=str(tmp_path))
    assert read.note == "1 left out, that cannot be read or decoded (a dog/bad.png)"
    assert np.array_equal(read.images, whole.images)
    assert read.labels.tolist() == whole.labels.tolist()


@pytest.mark.parametrize("damage", [broken_depth, broken_aspect, broken_by_a_bomb, broken_by_a_small_bomb])
def test_folder_names_the_image_that_it_cannot_use(tmp_path, damage) -> None:
    write_folder(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=r"a dog/bad\.png cannot be used: ") as caught:
        image_folder.read(Path(), "train", True, path=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_folder_needs_the_same_classes_twice_and_images_in_each(tmp_path) -> None:
    write_folder(tmp_path)
    (tmp_path / "test" / "cow").mkdir()
    with pytest.raises(DataError, match="they differ in cow"):
        image_folder.source(Path(), "train", path=str(tmp_path))
    (tmp_path / "train" / "cow").mkdir()
    with pytest.raises(DataError, match="train/cow holds no image"):
        image_folder.read(Path(), "train", True, path=str(tmp_path))
    write_png(tmp_path / "one" / "train" / "only" / "1.png", pixels(9, 9, 3))
    write_png(tmp_path / "one" / "test" / "only" / "1.png", pixels(9, 9, 3))
    with pytest.raises(DataError, match="1 class folders; a classifier needs 2"):
        image_folder.source(Path(), "train", path=str(tmp_path / "one"))


def naive_choice(labels: list[int], quotas: dict[int, int], seed: int) -> list[int]:
    """The rows with the smallest random words of each class, one class at a time."""
    words = np.random.PCG64(seed).random_raw(len(labels)).tolist()
    chosen: list[int] = []
    for label, quota in quotas.items():
        rows = [row for row in range(len(labels)) if labels[row] == label]
        chosen += sorted(rows, key=lambda row: words[row])[:quota]
    return sorted(chosen)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.data())
def test_stratified_takes_each_class_in_proportion(labels, drawn) -> None:
    count = drawn.draw(st.integers(0, len(labels) - 1))
    rest, chosen = stratified(np.array(labels), count, seed=3)
    assert sorted([*rest, *chosen]) == list(range(len(labels)))
    assert len(chosen) == count
    assert list(rest) == sorted(rest)
    quotas = {label: sum(labels[row] == label for row in chosen) for label in set(labels)}
    for label, quota in quotas.items():
        assert abs(quota - count * labels.count(label) / len(labels)) < 1
    assert list(chosen) == naive_choice(labels, quotas, 3)


def test_validation_split_is_fixed_and_bounded() -> None:
    labels = np.arange(50_000) % 10
    train, validation = data.split_validation(labels, 5000)
    assert np.bincount(labels[validation]).tolist() == [500] * 10
    assert list(validation) == naive_choice(
        labels.tolist(), dict.fromkeys(range(10), 500), derive(0, "validation-split")
    )
    assert len(train) == 45_000
    everything, nothing = data.split_validation(labels, 0)
    assert (len(everything), len(nothing)) == (50_000, 0)
    for count in (-1, 50_000, 60_000):
        with pytest.raises(DataError, match=rf"dataset\.validation is {count}; allowed: 0 to 49999"):
            data.split_validation(labels, count)
