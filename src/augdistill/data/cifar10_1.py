"""CIFAR-10.1 (Recht et al., 2018): new test images for CIFAR-10 of 32 x 32, collected as its own were; two versions.

v4 has 2,021 of them, v6 2,000 with the same number of each class, which its authors recommend.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augdistill.base.errors import DataError
from augdistill.base.reading import array_from
from augdistill.data import cifar10, download
from augdistill.data.files import check_publisher, read_bounded
from augdistill.data.imageset import CIFAR_CLASSES, Pixels, Source, incomplete, missing

FOLDER = "cifar-10.1"
MAX_BYTES = 32 * 2**20
REPOSITORY = "https://raw.githubusercontent.com/modestyachts/CIFAR-10.1/master/datasets/"
CHECKSUMS = {
    "cifar10.1_v4_data.npy": "sha256:5aaedc268df8f4cffca2ac0cf9e608ae1897a8cddb630c7a850a2ea8f6558e75",
    "cifar10.1_v4_labels.npy": "sha256:1f9544300ded199539b6662364ce7fe6c2e1ea9f87408f06db4b1a6184cffb18",
    "cifar10.1_v6_data.npy": "sha256:2997188e5816f5bd545dc77771b6227828c28146049fcecf3fa10775474cacc6",
    "cifar10.1_v6_labels.npy": "sha256:ae40beda001693674edc94d925ee8268cfe68905f8f9aff800c8dcdfcd6c9448",
}
FULL = {"v4": 2021, "v6": 2000}


@dataclass(frozen=True)
class Cifar101:
    """One version, as `data.Dataset` has it."""

    version: str
    SPLITS = ("test",)

    @property
    def TEST_SET(self) -> str:
        """The name that it has in results, which is that of the dataset too."""
        return f"cifar10.1-{self.version}"

    @property
    def LABEL(self) -> str:
        """What it is called on the page."""
        return f"CIFAR-10.1 {self.version}"

    @property
    def names(self) -> tuple[str, str]:
        """The names of its files, images and labels."""
        return f"cifar10.1_{self.version}_data.npy", f"cifar10.1_{self.version}_labels.npy"

    def where(self, root: Path, **params: object) -> str:
        """Return the folder that holds the files."""
        return str(root / FOLDER)

    def shape(self) -> tuple[int, int, int]:
        """Return the shape of an image."""
        return cifar10.shape()

    def source(self, root: Path, split: str) -> Source:
        """Return the two files; raises DataError if one is missing."""
        files = [str(root / FOLDER / name) for name in self.names]
        if not all(os.path.isfile(path) for path in files):
            remedy = f"type `augdistill data fetch {self.TEST_SET}`, or set dataset.root"
            raise missing(self.TEST_SET, root / FOLDER, " and ".join(self.names), remedy)
        return Source(self.where(root), files)

    def read(self, root: Path, split: str, verify: bool) -> Pixels:
        """Return the images [N, 3, 32, 32] and labels.

        Raises DataError if a file is damaged, not what it should be or, with `verify`, not the publisher's.
        """
        image_file, label_file = map(Path, self.source(root, split).files)
        images, labels = (read_npy(path, self.TEST_SET, verify) for path in (image_file, label_file))
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (32, 32, 3) or not len(images):
            raise DataError(f"{image_file} holds {images.dtype} {list(images.shape)}; expected bytes [N, 32, 32, 3]")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise DataError(f"{label_file} is not one whole number for each of the {len(images):,} images")
        if labels.min() < 0 or labels.max() >= len(CIFAR_CLASSES):
            raise DataError(f"{label_file}: labels from {labels.min()} to {labels.max()}; allowed: 0 to 9")
        checksums = {name: CHECKSUMS[name] for name in self.names} if verify else {}
        note = incomplete(len(labels), FULL[self.version], "test set")
        return Pixels(images.transpose(0, 3, 1, 2), labels.astype(np.int64), CIFAR_CLASSES, verify, checksums, note)

    def fetch(self, root: Path) -> None:
        """Download the files of both versions from the authors' repository, checking each, into `root`."""
        files = {name: download.Download((REPOSITORY + name,), found, MAX_BYTES) for name, found in CHECKSUMS.items()}
        download.fetch_files(files, root / FOLDER)


def read_npy(path: Path, name: str, verify: bool) -> np.ndarray:
    """Return the array that a .npy file holds; raises DataError, as for Python objects, of which none is made."""
    content = read_bounded(path, MAX_BYTES)
    if verify:
        check_publisher(path, CHECKSUMS[path.name], name, content)
    try:
        return array_from(io.BytesIO(content), len(content), path.name)
    except Exception as error:  # numpy's parser of headers raises almost anything
        raise DataError(f"{path} is not a numpy array file: {' '.join(str(error).split())[:120]}") from error


V4, V6 = Cifar101("v4"), Cifar101("v6")
