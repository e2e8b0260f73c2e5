"""Fashion-MNIST (Xiao et al., 2017): 60,000 + 10,000 grey images of 28 x 28 in ten classes, in MNIST's format."""

from pathlib import Path

from augdistill.data import download, mnist
from augdistill.data.imageset import Pixels, Source

SPLITS = ("train", "test")
TEST_SET = "fashion-mnist-test"
LABEL = "Fashion-MNIST"
FOLDER = Path("FashionMNIST", "raw")
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CHECKSUMS = {  # of the decompressed content
    "train-images-idx3-ubyte": "md5:f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "md5:9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "md5:8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "md5:15d484375f8d13e6eb1aabb0c3f46965",
}
ARCHIVES = {  # of the publisher's files
    "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
REPOSITORY = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
IDX = mnist.IdxFiles("fashion-mnist", FOLDER, CHECKSUMS, CLASSES)


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the IDX files."""
    return str(root / FOLDER)


def shape(*, channels: int = 1) -> tuple[int, int, int]:
    """Return the shape of an image; raises ConfigError on `channels`."""
    return mnist.shape(channels=channels)


def source(root: Path, split: str, **params: object) -> Source:
    """Return the image and the label file of a split, gzipped or not; raises DataError if one is missing."""
    return mnist.find(IDX, root, split)


def read(root: Path, split: str, verify: bool, *, channels: int = 1) -> Pixels:
    """Return the images [N, channels, 28, 28] and labels of a split, as MNIST's are; raises as it does."""
    return mnist.read_split(IDX, root, split, verify, channels)


def fetch(root: Path) -> None:
    """Download the four files from the publisher's repository, checking each, into `root`."""
    files = {name: download.Download((REPOSITORY + name,), checksum, 32 * 10**6) for name, checksum in ARCHIVES.items()}
    download.fetch_files(files, root / FOLDER)
