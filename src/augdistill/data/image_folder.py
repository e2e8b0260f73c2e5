"""A user's own images: train/<class>/ and test/<class>/ in the usual formats, brought to one square size."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.checks import one_of, require
from augdistill.base.errors import ConfigError, DataError
from augdistill.data.images import DAMAGED, as_shown, class_folders, decode_all, files_below, left_out_text, listing
from augdistill.data.imageset import Pixels, Source, missing

SPLITS = ("train", "test")
TEST_SET = "image-folder-test"
LABEL = "Image folder"
HAS_CHECKSUMS = False  # these are the user's own
SIZES = range(8, 513)
MAX_ASPECT = 50  # the shorter side is resized to `size` before the crop, so a thread-like image would grow huge
# What people keep pictures in, of all that Pillow reads: for EPS it would run another program, and decoders that nobody
# uses are where files made to do harm find their holes.
FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP")
BACKGROUNDS = ("white", "black")  # white is what pages and viewers lay pictures on, and so what they are drawn for
READER = "reader 2"  # raised when the same files are read differently: what an older reader packed is read again
LAYOUT = "train/<class>/ and test/<class>/ with image files"


def where(root: Path, *, path: str | None = None, **params: object) -> str:
    """Return the user's folder, links resolved."""
    return "dataset.path=FOLDER" if path is None else str(folder_of(root, path).resolve())


def folder_of(root: Path, path: str) -> Path:
    """Return the absolute folder that `path` means: seen from the current folder, else from `root` if it lies there."""
    folder = Path(path).expanduser()
    below = Path(root, folder)
    return (below if below.is_dir() and not folder.exists() else folder).absolute()


def shape(*, size: int = 32, channels: int = 3, background: str = "white", **params: object) -> tuple[int, int, int]:
    """Return the shape of an image; raises ConfigError on `size`, `channels` or `background`."""
    require(type(size) is int and size in SIZES, "dataset.size", size, f"{SIZES[0]} to {SIZES[-1]} pixels")
    require(type(channels) is int and channels in (1, 3), "dataset.channels", channels, "1 or 3")
    one_of("dataset.background", background, BACKGROUNDS)
    return channels, size, size


def source(root: Path, split: str, *, path: str | None = None, **params: object) -> Source:
    """Return a split's files by class and name.

    Raises DataError unless both splits are there with the same classes, and files of each.
    """
    folder, classes = checked_folders(root, path)
    found = listing(list(classes[split].values()), readable_formats())
    left_out = (place for places in found.left_out.values() for place in places)
    return Source(str(folder), found.files, version="\0".join([READER, *classes[split], *sorted(left_out)]))


def checked_folders(root: Path, path: str | None) -> tuple[Path, dict[str, dict[str, str]]]:
    """Return the user's folder, and split -> class -> its folder; raises ConfigError or DataError as `source` does."""
    if path is None:
        raise ConfigError(f"dataset.path is not set: type dataset.path=FOLDER, a folder that holds {LAYOUT}")
    folder = Path(where(root, path=path))
    if not all((folder / split).is_dir() for split in SPLITS):
        raise missing("image-folder", folder, LAYOUT, "set dataset.path=FOLDER")
    found = {split: class_folders(folder / split) for split in SPLITS}
    classes, tested = found.values()
    if len(classes) < 2:
        raise DataError(f"{folder}/train has {len(classes)} class folders; a classifier needs 2 or more")
    if list(classes) != list(tested):
        differing = ", ".join(sorted(set(classes) ^ set(tested)))
        raise DataError(f"{folder}: train and test must hold the same class folders; they differ in {differing}")
    odd = next((name for name in classes if not name.isprintable()), None)
    if odd is not None:
        raise DataError(f"{folder} has the class folder {odd!r}, which cannot be printed: rename it")
    for place in (place for folders in found.values() for place in folders.values()):
        if all(why for _, why in files_below(place, readable_formats())):
            left_out = left_out_text(listing([place], readable_formats()).left_out, place)
            raise DataError(f"{place} holds no image file{f': {left_out}' if left_out else ''}")
    return folder, found


def image_names(root: Path, split: str, *, path: str | None = None, **params: object) -> list[str]:
    """Return the files of a split as CLASS/NAME, in the order of the images where none was left out."""
    folder = Path(where(root, path=path)) / split
    return [str(Path(file).relative_to(folder)) for file in source(root, split, path=path).files]


def read(
    root: Path,
    split: str,
    verify: bool,
    *,
    path: str | None = None,
    size: int = 32,
    channels: int = 3,
    background: str = "white",
) -> Pixels:
    """Return the images [N, channels, size, size] and labels, by sorted class, folder and file name.

    As torchvision's ImageFolder finds them, and as a viewer shows them: turned as EXIF says, transparency laid on
    `background`. The shorter side is resized to `size`, bilinearly with antialiasing, and the centre cropped, as
    torchvision's Resize and CenterCrop do. What is left out and what was done is told in the note. There is nothing to
    verify against. Raises DataError naming a file that is not 8-bit, and a class of which nothing can be read.
    """
    image_shape = shape(size=size, channels=channels, background=background)
    folder, classes = checked_folders(root, path)
    endings = readable_formats()
    found = listing(list(classes[split].values()), endings)
    damaged: dict[str, str] = {}
    seen: Counter[str] = Counter()

    def to_pixels(image: Any) -> Any:
        return square(image, size, "RGB" if channels == 3 else "L", background, seen)

    images = decode_all(found.files, image_shape, to_pixels, sorted(set(endings.values())), damaged)
    kept = [label for file, label in zip(found.files, found.labels, strict=True) if file not in damaged]
    labels = np.array(kept, dtype=np.int64)
    for label, place in enumerate(classes[split].values()):
        if label not in labels:
            first, what = next((file, what) for file, what in damaged.items() if Path(place) in Path(file).parents)
            raise DataError(f"{place} holds no image that can be read; {first}: {what}")
    left_out = left_out_text({**found.left_out, **({DAMAGED: list(damaged)} if damaged else {})}, str(folder / split))
    done = "; ".join(f"{what}: {count:,}" for what, count in seen.items() if count)
    return Pixels(images, labels, tuple(classes[split]), note="; ".join(filter(None, (left_out, done))))


@cache
def readable_formats() -> dict[str, str]:
    """Return the file name endings of FORMATS that this Pillow reads, with the format of each."""
    from PIL import Image

    endings = Image.registered_extensions()
    return {ending: name for ending, name in endings.items() if name in Image.OPEN and name in FORMATS}


def square(image: Any, size: int, mode: str, background: str, seen: Counter[str]) -> Any:
    """Return a Pillow image as it is shown, `size` x `size`, in `mode` ("RGB" or "L"); `seen` counts as `as_shown`.

    Raises DataError for one that cannot be.
    """
    from PIL import Image

    if max(image.size) > MAX_ASPECT * min(image.size):
        shape = f"{image.width} x {image.height}"
        raise DataError(f"it is {shape}; the longer side may be at most {MAX_ASPECT} times the shorter")
    if image.mode[0] in "IF" or image.mode == "LAB":  # which range to bring to 8 bits, nobody but the user knows
        raise DataError(f"its pixels are not 8-bit grey or colour (Pillow mode {image.mode}); convert it first")
    shown = as_shown(image, background, seen).convert(mode)
    wide, high = (int(size * side / min(shown.size)) for side in shown.size)
    left, top = round((wide - size) / 2), round((high - size) / 2)
    scaled = shown.resize((wide, high), Image.Resampling.BILINEAR)
    return scaled.crop((left, top, left + size, top + size))


def fetch(root: Path) -> None:
    """Raise DataError: these are the user's own images."""
    raise DataError(f"image-folder is your own folder, with {LAYOUT}: nothing to fetch; type dataset.path=FOLDER")
