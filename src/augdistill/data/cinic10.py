"""CINIC-10 (Darlow et al., 2018): the 70,000 images of its test fold that come from ImageNet.

RGB, 32 x 32, in CIFAR-10's classes: a test set from elsewhere for models trained on CIFAR-10.
"""

import os
from pathlib import Path

import numpy as np

from augdistill.base.errors import DataError
from augdistill.data import download
from augdistill.data.images import class_folders, decode_all, listing, to_rgb
from augdistill.data.imageset import CIFAR_CLASSES, Pixels, Source, incomplete, missing

SPLITS = ("test",)
TEST_SET = "cinic10-imagenet-test"
LABEL = "CINIC-10"
HAS_CHECKSUMS = False  # of single files; the archive's is checked as it is fetched
FOLDER = Path("CINIC-10", "test")
FULL = 70_000
SIDE = 32
ARCHIVE = download.Download(
    urls=(  # the address that the repository's present software gives the file, and the one it was published under
        "https://datashare.ed.ac.uk/server/api/core/bitstreams/e8e186cc-2688-48f1-aa5a-3fda1a43f8b6/content",
        "https://datashare.ed.ac.uk/bitstream/handle/10283/3192/CINIC-10.tar.gz",
    ),
    checksum="md5:6ee4d0c996905fe93221de577967a372",
    max_bytes=10**9,
)


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the class folders of the test fold."""
    return str(root / FOLDER)


def shape() -> tuple[int, int, int]:
    """Return the shape of an image."""
    return 3, SIDE, SIDE


def source(root: Path, split: str) -> Source:
    """Return the image files from ImageNet; raises DataError unless the class folders are exactly the ten."""
    folder = root / FOLDER
    if not folder.is_dir():
        layout = "a folder of PNG files for each class, airplane to truck"
        raise missing("cinic10", folder, layout, "type `augdistill data fetch cinic10`, or set dataset.root")
    found = class_folders(folder)
    if list(found) != sorted(CIFAR_CLASSES):
        raise DataError(
            f"{folder} has the folders {', '.join(found) or 'none'}; expected exactly {', '.join(CIFAR_CLASSES)}"
        )
    return Source(where(root), [path for name in CIFAR_CLASSES for path in imagenet_files(found[name])])


def imagenet_files(folder: str) -> list[str]:
    """Return a class's files without those from CIFAR-10: the publisher's rule is that their names say `cifar`."""
    start = len(folder)  # "cifar" in the path above the file name does not count
    files = [path for path in listing([folder], (".png",)).files if "cifar" not in path[start:]]
    if not files:
        raise DataError(f"{folder} has no PNG file from ImageNet (a name without `cifar`)")
    return files


def read(root: Path, split: str, verify: bool) -> Pixels:
    """Return the images [N, 3, 32, 32] and labels, by class and file name; the note tells any count but 70,000.

    The publisher has no checksum for a file, so `verify` has nothing to hold them against. Raises DataError.
    """
    files = source(root, split).files
    start = len(where(root)) + 1
    labels = np.array([CIFAR_CLASSES.index(path[start:].partition(os.sep)[0]) for path in files], dtype=np.int64)
    images = decode_all(files, shape(), lambda image: to_rgb(image, SIDE), formats=["PNG"])
    return Pixels(images, labels, CIFAR_CLASSES, note=incomplete(len(files), FULL, "ImageNet part of the test fold"))


def fetch(root: Path) -> None:
    """Download the publisher's archive (0.7 GB), check it, and unpack its test fold into `root`."""
    download.fetch_archive(ARCHIVE, root / FOLDER, folder="test", max_files=300_000, max_bytes=3 * 10**9)
