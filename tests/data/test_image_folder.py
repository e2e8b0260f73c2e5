"""What a folder of images holds is what training sees, or is named; references are torchvision, Pillow, float64."""

import errno
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from augdistill import data
from augdistill.base.errors import ConfigError, DataError
from augdistill.data import image_folder
from data_files import pixels, write_image


def write_classes(root: Path, images: int = 3, classes: tuple[str, ...] = ("a", "b")) -> Path:
    """Write random images of 9 x 9, all different, in both splits."""
    for number, (split, name) in enumerate((split, name) for split in ("train", "test") for name in classes):
        for index in range(images):
            write_image(root / split / name / f"{index}.png", pixels(9, 9, 3, seed=100 * number + index))
    return root


PICTURE = pixels(20, 24, 4, seed=4)  # 20 high, 24 wide, alpha at random


def read(root: Path, split: str = "train", **params: object) -> image_folder.Pixels:
    return image_folder.read(Path(), split, True, **{"path": str(root), "size": 9, **params})


def test_folders_below_a_class_are_read_as_torchvision_does(tmp_path) -> None:
    """Its order too, in which a folder's own files come before those of "more-2", and those before "more/x"."""
    write_classes(tmp_path / "own")
    for index, place in enumerate(("more", "more-2", "more/x", "z/z")):
        write_image(tmp_path / "own/train/a" / place / "0.png", pixels(9, 9, 3, seed=index + 50))
    write_image(tmp_path / "elsewhere" / "0.png", pixels(9, 9, 3, seed=70))
    (tmp_path / "own/train/b/linked").symlink_to(tmp_path / "elsewhere")
    reference = ImageFolder(str(tmp_path / "own/train"))
    found = read(tmp_path / "own")
    assert len(found.images) == 11
    assert found.labels.tolist() == reference.targets
    assert np.array_equal(found.images, np.stack([np.asarray(image).transpose(2, 0, 1) for image, _ in reference]))
    assert found.note == ""


def test_what_is_no_image_file_is_counted_and_named(tmp_path, caplog) -> None:
    write_classes(tmp_path / "own")
    folder = tmp_path / "own/train/a"
    for index in range(4):
        (folder / f"gone{index}.png").symlink_to("/nowhere")
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "again").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    write_image(folder / ".hidden/0.png", pixels(9, 9, 3))
    (folder / "bad\x1b[1m.png").write_bytes(b"no picture")
    where = {"root": tmp_path, "cache": tmp_path / "cache", "path": str(tmp_path / "own"), "size": 9}
    header = data.load("image-folder", "train", **where).header
    assert header.count == 6
    assert header.note.split("; ") == [
        "1 left out, hidden (a/.hidden)",
        "1 left out, links to a folder that they lie in (a/again)",
        "5 left out, links that lead nowhere (a/gone0.png, a/gone1.png, a/gone2.png, ...)",
        "1 left out, neither files nor folders (a/pipe.png)",
        "1 left out, that cannot be read or decoded (a/bad?[1m.png)",
    ]
    assert f"image-folder train: {header.note}" in caplog.messages


def test_a_link_that_is_mended_and_a_file_that_may_be_read_are_read(tmp_path, monkeypatch) -> None:
    write_classes(tmp_path / "own")
    link, locked = tmp_path / "own/train/a/9.png", tmp_path / "own/train/b/0.png"
    link.symlink_to(tmp_path / "9.png")
    locked.chmod(0)
    opened = Image.open

    def refusing(path: str, **options: object) -> Image.Image:  # the tests may run as root, who may read everything
        if not os.stat(path).st_mode & 0o444:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", refusing)
    where = {"root": tmp_path, "cache": tmp_path / "cache", "path": str(tmp_path / "own"), "size": 9}
    header = data.header("image-folder", "train", **where)
    assert header.count == 5
    assert "(b/0.png)" in header.note
    write_image(tmp_path / "9.png", pixels(9, 9, 3, seed=90))
    locked.chmod(0o644)
    after = data.header("image-folder", "train", **where)
    assert (after.count, after.note) == (7, "")


def test_a_disk_that_fails_is_no_damaged_file(tmp_path, monkeypatch) -> None:
    """Else a hiccup of a network drive would make another dataset."""
    write_classes(tmp_path)

    def failing(path: str, **options: object) -> None:
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(Image, "open", failing)
    with pytest.raises(DataError, match=r"train/a/0\.png cannot be used: .*Input/output error"):
        read(tmp_path)


def dangle(place: Path) -> None:
    for file in place.iterdir():
        file.unlink()
        file.symlink_to("/nowhere")


def dangle_whole(place: Path) -> None:
    dangle(place)
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    place.symlink_to("/nowhere")


def rename(place: Path) -> None:
    for file in place.iterdir():
        file.rename(file.with_suffix(".heic"))


def destroy(place: Path) -> None:
    for file in place.iterdir():
        file.write_bytes(b"no picture")


@pytest.mark.parametrize("splits", [("train",), ("test",), ("train", "test")], ids="-".join)
@pytest.mark.parametrize("damage", [dangle, dangle_whole, rename])
def test_a_class_that_vanishes_is_refused_before_anything_is_read(tmp_path, damage, splits) -> None:
    write_classes(tmp_path, classes=("a", "b", "c"))
    for split in splits:
        damage(tmp_path / split / "b")
    for split in ("train", "test"):
        with pytest.raises(
            DataError, match=rf"{splits[0]}/b (holds no image file|is a link that leads nowhere)"
        ) as told:
            image_folder.source(Path(), split, path=str(tmp_path))
        assert "\n" not in str(told.value)


def test_a_class_of_damaged_files_is_refused_and_one_of_them_named(tmp_path) -> None:
    write_classes(tmp_path)
    destroy(tmp_path / "train/b")
    with pytest.raises(DataError, match=r"train/b holds no image that can be read; .*b/0\.png: cannot identify"):
        read(tmp_path)


def test_class_names_are_the_same_however_unicode_spells_them(tmp_path) -> None:
    composed, split_up = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    write_classes(tmp_path / "own", classes=(composed, "tea"))
    (tmp_path / "own/test" / composed).rename(tmp_path / "own/test" / split_up)
    train, test = read(tmp_path / "own"), read(tmp_path / "own", "test")
    assert train.classes == test.classes == (composed, "tea")
    assert train.labels.tolist() == test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    write_image(tmp_path / "own/test" / composed / "0.png", pixels(9, 9, 3))
    with pytest.raises(DataError, match="two folders called café"):
        read(tmp_path / "own")


def test_of_several_pictures_the_first_is_read_and_the_manifest_says_so(tmp_path) -> None:
    write_classes(tmp_path)
    first, second = (Image.fromarray(values[..., :3]) for values in (PICTURE, 255 - PICTURE))
    for kind in ("gif", "png", "tiff"):
        first.save(tmp_path / f"train/a/x.{kind}", save_all=True, append_images=[second])
    found = read(tmp_path, size=20)
    assert found.note == "files of several pictures, the first of which is read: 3"
    middle = PICTURE[:, 2:22, :3].transpose(2, 0, 1)
    assert np.array_equal(found.images[4], middle)  # x.png; x.gif before it has a palette
    assert np.array_equal(found.images[5], middle)


def test_a_turned_and_transparent_image_is_told_of(tmp_path) -> None:
    write_classes(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PICTURE).save(tmp_path / "train/a/x.png", exif=exif)
    notes = {}
    for background in ("white", "black"):
        found = read(tmp_path, background=background)
        notes[background] = found.note.split("; ")
        assert notes[background] == [
            "images turned as their EXIF orientation says: 1",
            f"transparent images laid on {background}: 1",
        ]
    with pytest.raises(ConfigError, match=r"dataset\.background=grey is unknown: choose one of white, black"):
        read(tmp_path, background="grey")


def test_what_an_older_reader_packed_is_read_again(tmp_path, monkeypatch) -> None:
    write_classes(tmp_path / "own")
    where = {"root": tmp_path, "cache": tmp_path / "cache", "path": str(tmp_path / "own"), "size": 9}
    monkeypatch.setattr(image_folder, "READER", "reader 1")
    monkeypatch.setattr(image_folder, "square", lambda *_: Image.new("RGB", (9, 9)))
    assert data.load("image-folder", "train", **where).images.max() == 0
    monkeypatch.undo()
    assert data.load("image-folder", "train", **where).images.max() > 0
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1


MODES = {"1": "png", "L": "png", "LA": "png", "P": "gif", "RGB": "jpg", "RGBA": "webp", "CMYK": "tiff"}


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
        write_image(tmp_path / "own" / split / "a cow" / "1.png", pixels(9, 9, 3))
    assert sorted(set(data.load("image-folder", "test", **where).labels)) == [0, 1, 2]
    assert data.header("image-folder", "test", **where).classes == ("a cow", "a dog", "b cat")


def broken_bytes(folder: Path) -> None:
    (folder / "train" / "a dog" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


def broken_end(folder: Path) -> None:
    path = folder / "train" / "a dog" / "bad.png"
    write_image(path, pixels(64, 64, 3))
    path.write_bytes(path.read_bytes()[:-2000])


def broken_depth(folder: Path) -> None:
    write_image(folder / "train" / "a dog" / "bad.png", pixels(20, 20).astype(np.uint16) * 200)


def broken_aspect(folder: Path) -> None:
    write_image(folder / "train" / "a dog" / "bad.png", pixels(1, 51, 3))


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
    write_image(tmp_path / "one" / "train" / "only" / "1.png", pixels(9, 9, 3))
    write_image(tmp_path / "one" / "test" / "only" / "1.png", pixels(9, 9, 3))
    with pytest.raises(DataError, match="1 class folders; a classifier needs 2"):
        image_folder.source(Path(), "train", path=str(tmp_path / "one"))
