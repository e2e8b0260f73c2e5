"""A user's own images: train/<class>/ and test/<class>/ in the usual formats, brought to one square size."""

from pathlib import Path
from typing import Any

from augdistill.config import require
from augdistill.data.images import class_files, class_folders, class_labels, decode_all
from augdistill.data.imageset import Pixels, Source, missing
from augdistill.errors import ConfigError, DataError

SPLITS = ("train", "test")
TEST_SET = "image-folder-test"
SIZES = range(8, 513)
MAX_ASPECT = 50  # the shorter side is resized to `size` before the crop, so a thread-like image would grow huge
# What people keep pictures in, of all that Pillow reads: for EPS it would run another program, and decoders that nobody
# uses are where files made to do harm find their holes.
FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP")
LAYOUT = "train/<class>/ and test/<class>/ with image files"


def where(root: Path, *, path: str | None = None, **params: object) -> str:
    """Return the user's folder."""
    return "dataset.path=FOLDER" if path is None else str(Path(path).expanduser().resolve())


def shape(*, size: int = 32, channels: int = 3, **params: object) -> tuple[int, int, int]:
    """Return the shape of an image; raises ConfigError on `size` or `channels`."""
    require(type(size) is int and size in SIZES, "dataset.size", size, f"{SIZES[0]} to {SIZES[-1]} pixels")
    require(type(channels) is int and channels in (1, 3), "dataset.channels", channels, "1 or 3")
    return channels, size, size


def source(root: Path, split: str, *, path: str | None = None, **params: object) -> Source:
    """Return a split's files by class and name; raises DataError unless both splits are there with the same classes."""
    if path is None:
        raise ConfigError(f"dataset.path is not set: type dataset.path=FOLDER, a folder that holds {LAYOUT}")
    folder = Path(where(root, path=path))
    if not (folder / "train").is_dir() or not (folder / "test").is_dir():
        raise missing("image-folder", folder, LAYOUT, "set dataset.path=FOLDER")
    classes, tested = class_folders(folder / "train"), class_folders(folder / "test")
    if len(classes) < 2:
        raise DataError(f"{folder}/train has {len(classes)} class folders; a classifier needs 2 or more")
    if classes != tested:
        differing = ", ".join(sorted(set(classes) ^ set(tested)))
        raise DataError(f"{folder}: train and test must hold the same class folders; they differ in {differing}")
    odd = next((name for name in classes if not name.isprintable()), None)
    if odd is not None:
        raise DataError(f"{folder} has the class folder {odd!r}, which cannot be printed: rename it")
    files = [file for name in classes for file in class_files(folder / split / name)]
    return Source(str(folder), files, version="\0".join(classes))


def read(root: Path, split: str, verify: bool, *, path: str | None = None, size: int = 32, channels: int = 3) -> Pixels:
    """Return the images [N, channels, size, size] and labels, by sorted class and file name.

    The shorter side is resized to `size`, bilinearly with antialiasing, and the centre cropped, as torchvision's
    Resize and CenterCrop do. Files whose name does not end as an image's are left out and counted in the note. There
    is nothing to verify against. Raises DataError naming a file that cannot be decoded or is not 8-bit.
    """
    image_shape = shape(size=size, channels=channels)
    found = source(root, split, path=path)
    classes, formats = tuple(found.version.split("\0")), readable_formats()
    files = [file for file in found.files if Path(file).suffix.lower() in formats]
    labels = class_labels(files, classes)
    empty = [name for index, name in enumerate(classes) if index not in labels]
    if empty:
        raise DataError(f"{found.where}/{split}/{empty[0]} holds no image file")
    mode = "RGB" if channels == 3 else "L"
    images = decode_all(files, image_shape, lambda image: square(image, size, mode), sorted(set(formats.values())))
    left_out = len(found.files) - len(files)
    return Pixels(images, labels, classes, note=f"{left_out:,} files that are not images left out" if left_out else "")


def readable_formats() -> dict[str, str]:
    """Return the file name endings of FORMATS that this Pillow reads, with the format of each."""
    from PIL import Image

    endings = Image.registered_extensions()
    return {ending: name for ending, name in endings.items() if name in Image.OPEN and name in FORMATS}


def square(image: Any, size: int, mode: str) -> Any:
    """Return a Pillow image as `size` x `size` in `mode` ("RGB" or "L"); raises DataError for one that cannot be."""
    from PIL import Image

    width, height = image.size
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise DataError(f"it is {width} x {height}; the longer side may be at most {MAX_ASPECT} times the shorter")
    if image.mode[0] in "IF":
        raise DataError(f"its pixels are not 8-bit (Pillow mode {image.mode}); convert it first")
    wide, high = (int(size * side / min(width, height)) for side in image.size)
    left, top = round((wide - size) / 2), round((high - size) / 2)
    scaled = image.convert(mode).resize((wide, high), Image.Resampling.BILINEAR)
    return scaled.crop((left, top, left + size, top + size))


def fetch(root: Path) -> None:
    """Raise DataError: these are the user's own images."""
    raise DataError(f"image-folder is your own folder, with {LAYOUT}: nothing to fetch; type dataset.path=FOLDER")
