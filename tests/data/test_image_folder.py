"""What a folder of images holds is what training sees, or is named; references are torchvision, Pillow, float64."""

import errno
import io
import os
import struct
import unicodedata
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision.datasets import ImageFolder

from augdistill import data
from augdistill.base.errors import ConfigError, DataError
from augdistill.data import image_folder
from augdistill.data.images import as_shown
from data_files import pixels, write_png


def write_classes(root: Path, images: int = 3, classes: tuple[str, ...] = ("a", "b")) -> Path:
    """Write random images of 9 x 9, all different, in both splits."""
    for number, (split, name) in enumerate((split, name) for split in ("train", "test") for name in classes):
        for index in range(images):
            write_png(root / split / name / f"{index}.png", pixels(9, 9, 3, seed=100 * number + index))
    return root


def read(root: Path, split: str = "train", **params: object) -> image_folder.Pixels:
    return image_folder.read(Path(), split, True, **{"path": str(root), "size": 9, **params})


def test_folders_below_a_class_are_read_as_torchvision_does(tmp_path) -> None:
    """Its order too, in which a folder's own files come before those of "more-2", and those before "more/x"."""
    write_classes(tmp_path / "own")
    for index, place in enumerate(("more", "more-2", "more/x", "z/z")):
        write_png(tmp_path / "own/train/a" / place / "0.png", pixels(9, 9, 3, seed=index + 50))
    write_png(tmp_path / "elsewhere" / "0.png", pixels(9, 9, 3, seed=70))
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
    write_png(folder / ".hidden/0.png", pixels(9, 9, 3))
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
    write_png(tmp_path / "9.png", pixels(9, 9, 3, seed=90))
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
    write_png(tmp_path / "own/test" / composed / "0.png", pixels(9, 9, 3))
    with pytest.raises(DataError, match="two folders called café"):
        read(tmp_path / "own")


def encoded(image: Image.Image, kind: str, **options: object) -> Image.Image:
    """Return an image as it is read from a file of this format."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return Image.open(content)


PICTURE = pixels(20, 24, 4, seed=4)  # 20 high, 24 wide, alpha at random
RGB, RGBA = Image.fromarray(PICTURE[..., :3]), Image.fromarray(PICTURE)
CLEAR = {
    "RGBA": RGBA,
    "LA": RGBA.convert("LA"),
    "RGBa": RGBA.convert("RGBa"),
    "La": RGBA.convert("LA").convert("La"),
    "PA": RGBA.convert("PA"),
    **{kind: encoded(RGBA, kind) for kind in ("PNG", "TIFF", "ICO", "TGA", "QOI", "JPEG2000")},
    "WEBP": encoded(RGBA, "WEBP", lossless=True),
    "LA-PNG": encoded(RGBA.convert("LA"), "PNG"),
    "P-PNG": encoded(RGB.quantize(16), "PNG", transparency=3),
    "P-PNG-many": encoded(RGB.quantize(16), "PNG", transparency=bytes(range(0, 160, 10))),
    "GIF": encoded(RGB.quantize(16), "GIF", transparency=3),
    "L-PNG": encoded(RGB.convert("L"), "PNG", transparency=int(np.asarray(RGB.convert("L"))[0, 0])),
    "RGB-PNG": encoded(RGB, "PNG", transparency=tuple(PICTURE[0, 0, :3].tolist())),
    "1-PNG": encoded(RGB.convert("1"), "PNG", transparency=1),
}


@pytest.mark.parametrize(("background", "value"), [("white", 255), ("black", 0)])
@pytest.mark.parametrize("name", CLEAR)
def test_transparency_is_laid_on_the_background(name, background, value) -> None:
    image, seen = CLEAR[name], Counter[str]()
    clear = image.convert("LA").convert("RGBA") if name == "La" else image.convert("RGBA")
    colours, alpha = np.asarray(clear)[..., :3].astype(float), np.asarray(clear)[..., 3:] / 255
    assert alpha.min() < 1
    shown = np.asarray(as_shown(image, background, seen).convert("RGB"))
    assert np.abs(shown - (colours * alpha + value * (1 - alpha))).max() <= 0.51
    assert +seen == {f"transparent images laid on {background}": 1}


def sixteen_bits(values: np.ndarray, clear: tuple[int, ...]) -> Image.Image:
    """Return a PNG of 16 bits [H, W, 3] with one transparent colour, which Pillow cannot write."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", *values.shape[1::-1], 16, 2, 0, 0, 0),
        b"tRNS": struct.pack(">HHH", *clear),
        b"IDAT": zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)),
        b"IEND": b"",
    }
    chunks = [struct.pack(">I", len(part)) + kind + part for kind, part in parts.items()]
    sums = [struct.pack(">I", zlib.crc32(chunk[4:])) for chunk in chunks]
    return Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(map(bytes.__add__, chunks, sums))))


def test_a_transparent_colour_of_16_bits_is_found() -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (9, 9, 3))
    shown = np.asarray(as_shown(sixteen_bits(values, tuple(values[4, 4].tolist())), "white", Counter()).convert("RGB"))
    expected = (values >> 8).astype(np.uint8)
    expected[4, 4] = 255
    assert np.array_equal(shown, expected)


def test_opaque_images_stay_as_they_are() -> None:
    opaque = Image.fromarray(np.dstack([PICTURE[..., :3], np.full((20, 24), 255, np.uint8)]))
    seen = Counter[str]()
    for image in (opaque, opaque.convert("RGBa"), RGB):
        assert np.array_equal(as_shown(image, "white", seen).convert("RGB"), PICTURE[..., :3])
    grey = opaque.convert("LA")
    assert np.array_equal(as_shown(grey, "white", seen).convert("L"), grey.convert("L"))
    assert not +seen


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_exif_says(kind, orientation) -> None:
    exif, seen = Image.Exif(), Counter[str]()
    exif[0x0112] = orientation
    reference = ImageOps.exif_transpose(encoded(RGB, kind, exif=exif))
    shown = as_shown(encoded(RGB, kind, exif=exif), "white", seen)
    assert shown.size == ((20, 24) if orientation > 4 else (24, 20))
    assert np.array_equal(shown, reference)
    assert +seen == ({"images turned as their EXIF orientation says": 1} if orientation > 1 else {})


def test_an_image_whose_exif_is_damaged_is_read() -> None:
    image = encoded(RGB, "JPEG", exif=b"Exif\0\0no EXIF at all")
    assert np.array_equal(as_shown(image, "white", Counter()), encoded(RGB, "JPEG"))


def test_of_several_pictures_the_first_is_read_and_the_manifest_says_so(tmp_path) -> None:
    write_classes(tmp_path)
    first, second = RGB, Image.fromarray(255 - PICTURE[..., :3])
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
    RGBA.save(tmp_path / "train/a/x.png", exif=exif)
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
