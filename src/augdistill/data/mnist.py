"""MNIST (LeCun, Cortes and Burges): 60,000 + 10,000 grey images of 28 x 28 in ten classes, as IDX files."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augdistill.base.checks import require
from augdistill.base.errors import DataError
from augdistill.base.reading import MAX_FILE, opened
from augdistill.data import download
from augdistill.data.files import check_publisher
from augdistill.data.imageset import Pixels, Source, incomplete, missing

SPLITS = ("train", "test")
TEST_SET = "mnist-test"
LABEL = "MNIST"
FOLDER = Path("MNIST", "raw")
SIDE = 28
FULL = {"train": 60_000, "test": 10_000}
MAX_IMAGES = 1_000_000
CLASSES = tuple("0123456789")
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CHECKSUMS = {
    "train-images-idx3-ubyte": "md5:6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "md5:a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "md5:2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "md5:27ae3e4e09519cfbb04c329615203637",
}
# Of the files of the mirror that torchvision uses; its other mirror has no https.
ARCHIVES = {
    "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
}
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"


@dataclass(frozen=True)
class IdxFiles:
    """What is peculiar to one dataset of four IDX files: its name, its folder, the publisher's checksums, its classes.

    `checksums` are of the decompressed content: the gzip containers differ from mirror to mirror.
    """

    name: str
    folder: Path
    checksums: Mapping[str, str]
    classes: tuple[str, ...]


IDX = IdxFiles("mnist", FOLDER, CHECKSUMS, CLASSES)


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the IDX files."""
    return str(root / FOLDER)


def shape(*, channels: int = 1) -> tuple[int, int, int]:
    """Return the shape of an image; raises ConfigError on `channels`."""
    require(type(channels) is int and channels in (1, 3), "dataset.channels", channels, "1 or 3")
    return channels, SIDE, SIDE


def source(root: Path, split: str, **params: object) -> Source:
    """Return the image and the label file of a split, gzipped or not; raises DataError if one is missing."""
    return find(IDX, root, split)


def find(idx: IdxFiles, root: Path, split: str) -> Source:
    """Return the image and the label file of a split, gzipped or not; raises DataError if one is missing.

    Many copies are called train-images.idx3-ubyte, as some programs unpack them.
    """
    folder, files = root / idx.folder, []
    for name in FILES[split]:
        spelled = (f"{start}{end}" for start in (name, name.replace("-idx", ".idx")) for end in ("", ".gz"))
        found = [path for path in (folder / each for each in spelled) if path.is_file()]
        if not found:
            layout = f"{FILES[split][0]} and {FILES[split][1]} (or .idx..., or .gz)"
            raise missing(idx.name, folder, layout, f"type `augdistill data fetch {idx.name}`, or set dataset.root")
        files.append(str(found[0]))
    return Source(str(folder), files)


def read(root: Path, split: str, verify: bool, *, channels: int = 1) -> Pixels:
    """Return the images [N, channels, 28, 28] and labels of a split; three channels are equal.

    Raises DataError if a file is damaged or, with `verify`, not the publisher's; ConfigError on `channels`.
    """
    return read_split(IDX, root, split, verify, channels)


def read_split(idx: IdxFiles, root: Path, split: str, verify: bool, channels: int) -> Pixels:
    """Return the images [N, channels, 28, 28] and labels of a split, as `read` does."""
    image_shape = shape(channels=channels)
    image_file, label_file = map(Path, find(idx, root, split).files)
    images = read_idx(image_file, (SIDE, SIDE), idx if verify else None).reshape(-1, 1, SIDE, SIDE)
    labels = read_idx(label_file, (), idx if verify else None)
    if len(images) != len(labels):
        raise DataError(f"{label_file} holds {len(labels):,} labels for the {len(images):,} images of {image_file}")
    if labels.max() >= len(idx.classes):
        raise DataError(f"{label_file}: labels up to {labels.max()}; allowed: 0 to 9")
    checksums = {name: idx.checksums[name] for name in FILES[split]} if verify else {}
    note = incomplete(len(labels), FULL[split], f"{split} set")
    return Pixels(
        np.repeat(images, image_shape[0], axis=1), labels.astype(np.int64), idx.classes, verify, checksums, note
    )


def read_idx(path: Path, item: tuple[int, ...], publisher: IdxFiles | None) -> np.ndarray:
    """Return the bytes of an IDX file, uint8 [N, *item], reading no more than its header announces.

    Raises DataError on another magic number or item shape, a count outside 1 to a million, another length, or another
    checksum than the publisher's.
    """
    magic = 0x800 + 1 + len(item)
    header_bytes = 4 * (2 + len(item))
    try:
        with opened(path, MAX_FILE) as whole, gzip.open(whole) if path.suffix == ".gz" else whole as file:
            header = file.read(header_bytes)
            if len(header) < header_bytes:
                raise DataError(f"{path} is cut short: it has no whole IDX header")
            found, count, *sides = np.frombuffer(header, dtype=">u4").tolist()
            if found != magic or tuple(sides) != item or not 1 <= count <= MAX_IMAGES:
                wanted = f"magic {magic}, 1 to {MAX_IMAGES:,} items of shape {list(item)}"
                raise DataError(f"{path} has magic {found}, {count:,} items of shape {sides}; expected {wanted}")
            size = count * int(np.prod(item, dtype=int))
            content = file.read(size + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if len(content) != size:
        raise DataError(
            f"{path} is {'longer' if len(content) > size else 'shorter'} than the {count:,} items it announces"
        )
    if publisher is not None:
        name = path.name.removesuffix(".gz").replace(".idx", "-idx")
        check_publisher(path, publisher.checksums[name], publisher.name, header, content)
    return np.frombuffer(content, dtype=np.uint8).reshape(count, *item)


def fetch(root: Path) -> None:
    """Download the four files from torchvision's https mirror, checking each, into `root`."""
    files = {name: download.Download((MIRROR + name,), checksum, 16 * 10**6) for name, checksum in ARCHIVES.items()}
    download.fetch_files(files, root / FOLDER)
