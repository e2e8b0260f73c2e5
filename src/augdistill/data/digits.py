"""Digits (Alpaydin and Kaynak, 1998): 1,797 grey images of 8 x 8 in ten classes, bundled with scikit-learn."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from augdistill.base.checks import require
from augdistill.base.errors import DataError
from augdistill.base.seeds import derive
from augdistill.data.imageset import Pixels, Source
from augdistill.data.splits import stratified

SPLITS = ("train", "test")
TEST_SET = "digits-test"
LABEL = "Digits"
COUNT = 1797
CLASSES = tuple(range(10))
TEST_COUNTS = range(10, COUNT - 9)  # with ten images on either side
SIDE = 8
LEVELS = 16  # pixels are counts 0..16
SIZES = range(SIDE, 257)


def where(root: Path, **params: object) -> str:
    """Return the package that carries the images."""
    return "scikit-learn"


def shape(
    *, size: int = 16, channels: int = 1, test_images: int = 360, classes: Sequence[int] = CLASSES
) -> tuple[int, int, int]:
    """Return the shape of an image; raises ConfigError on a parameter."""
    require(type(size) is int and size in SIZES, "dataset.size", size, f"{SIZES[0]} to {SIZES[-1]} pixels")
    require(type(channels) is int and channels in (1, 3), "dataset.channels", channels, "1 or 3")
    is_count = type(test_images) is int and test_images in TEST_COUNTS
    require(is_count, "dataset.test_images", test_images, f"{TEST_COUNTS[0]} to {TEST_COUNTS[-1]} of {COUNT} images")
    known = list(classes)
    is_some = all(type(label) is int for label in known) and len(known) > 1
    is_some = is_some and known == sorted({*known} & {*CLASSES})
    require(is_some, "dataset.classes", known, "two or more digits, rising, as in [0,1,2,3,4,5,6,7]")
    return channels, size, size


def source(root: Path, split: str, **params: object) -> Source:
    """Return the installed package: no file of `root` is needed."""
    return Source(where(root), version=version("scikit-learn"))


def read(
    root: Path,
    split: str,
    verify: bool,
    *,
    size: int = 16,
    channels: int = 1,
    test_images: int = 360,
    classes: Sequence[int] = CLASSES,
) -> Pixels:
    """Return the images [N, channels, size, size] and labels of a fixed stratified split with so many test images.

    Three channels are equal; of some `classes`, images of the others are left out of both splits. Raises ConfigError
    on a parameter.
    """
    from sklearn.datasets import load_digits

    image_shape = shape(size=size, channels=channels, test_images=test_images, classes=classes)
    bundled = load_digits()
    labels = bundled.target.astype(np.int64)
    rows = dict(zip(SPLITS, stratified(labels, test_images, derive(0, "digits-split")), strict=True))[split]
    known = np.array(classes)
    rows = rows[np.isin(labels[rows], known)]
    images = enlarge(bundled.images[rows].astype(np.int64), size)
    images = np.repeat(images[:, None], image_shape[0], axis=1)
    return Pixels(images, np.searchsorted(known, labels[rows]), tuple(map(str, known)), verified=True)


def enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """Return images int [N, 8, 8] in 0..16 as uint8 [N, size, size] in 0..255, bilinear between pixel centres.

    In whole numbers throughout, rounded half up, so that every machine gets the same bytes. The weights are those of
    torch's `interpolate(mode="bilinear", align_corners=False)`.
    """
    weights = bilinear_weights(size)
    summed = weights @ images @ weights.T
    full = LEVELS * (2 * size) ** 2
    rounded: np.ndarray = (summed * 255 * 2 + full) // (2 * full)
    return rounded.astype(np.uint8)


def bilinear_weights(size: int) -> np.ndarray:
    """Return whole-number weights int64 [size, 8] with rows that sum to 2 * size."""
    centres = np.clip(SIDE * (2 * np.arange(size) + 1) - size, 0, (SIDE - 1) * 2 * size)  # in 1 / (2 size) of a pixel
    low, fraction = np.divmod(centres, 2 * size)
    weights = np.zeros((size, SIDE), dtype=np.int64)
    weights[np.arange(size), low] = 2 * size - fraction
    weights[np.arange(size), np.minimum(low + 1, SIDE - 1)] += fraction
    return weights


def fetch(root: Path) -> None:
    """Raise DataError: the images are installed already."""
    raise DataError("digits comes with scikit-learn: nothing to fetch")
