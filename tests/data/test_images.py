"""Images are decoded as a viewer shows them: references are Pillow and blending in float64."""

import io
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageOps

from augdistill.data.images import as_shown
from data_files import pixels


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
