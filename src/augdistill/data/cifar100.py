"""CIFAR-100 (Krizhevsky, 2009): 50,000 + 10,000 RGB images of 32 x 32 in a hundred classes, which make twenty kinds."""

import os
from pathlib import Path

from augdistill.base.checks import one_of
from augdistill.data import download
from augdistill.data.cifar10 import Batches, read_batch
from augdistill.data.imageset import Pixels, Source, incomplete, missing

SPLITS = ("train", "test")
TEST_SET = "cifar100-test"
LABEL = "CIFAR-100"
FOLDER = "cifar-100-python"
FULL = {"train": 50_000, "test": 10_000}
MAX_BYTES = 192 * 2**20  # the training file has 155 MB; with what `Batches` says, reading it takes under 1 GB
CHECKSUMS = {"train": "md5:16019d7e3df5f24257cddd939b257f8d", "test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc"}
ARCHIVE = download.Download(
    urls=("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
    checksum="md5:eb9058c3a382ffc7106e4002c42a8d85",
    max_bytes=200 * 10**6,
)
NAMES = {
    "fine": """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """,
    "coarse": """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
    household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
    large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees
    vehicles_1 vehicles_2
    """,
}
CLASSES = {labels: tuple(names.split()) for labels, names in NAMES.items()}


def where(root: Path, **params: object) -> str:
    """Return the folder that holds the two files."""
    return str(root / FOLDER)


def shape(*, labels: str = "fine") -> tuple[int, int, int]:
    """Return the shape of an image; raises ConfigError on `labels`."""
    one_of("dataset.labels", labels, CLASSES)
    return 3, 32, 32


def source(root: Path, split: str, **params: object) -> Source:
    """Return the file of a split; raises DataError if it is missing."""
    path = root / FOLDER / split
    if not os.path.isfile(path):
        remedy = "type `augdistill data fetch cifar100`, or set dataset.root"
        raise missing("cifar100", root / FOLDER, "the files train and test", remedy)
    return Source(where(root), [str(path)])


def read(root: Path, split: str, verify: bool, *, labels: str = "fine") -> Pixels:
    """Return the images [N, 3, 32, 32] and labels of a split, "fine" of 100 classes or "coarse" of 20.

    Raises DataError if the file is damaged or, with `verify`, not the publisher's; ConfigError on `labels`.
    """
    shape(labels=labels)
    batches = Batches("cifar100", LABEL, f"{labels}_labels", len(CLASSES[labels]), MAX_BYTES)
    path, checksum = root / FOLDER / split, CHECKSUMS[split]
    images, targets = read_batch(path, checksum if verify else None, batches)
    note = incomplete(len(targets), FULL[split], f"{split} set")
    return Pixels(images, targets, CLASSES[labels], verify, {split: checksum} if verify else {}, note)


def fetch(root: Path) -> None:
    """Download the publisher's archive, check it, and unpack it into `root`."""
    download.fetch_archive(ARCHIVE, root / FOLDER, folder=FOLDER, max_files=100, max_bytes=300 * 10**6)
