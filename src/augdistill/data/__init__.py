"""Datasets as arrays: checked against their publishers' checksums, packed once, then mapped.

A dataset is a module of this room with the members of `Dataset`; the table of them stands at the end of this file.
"""

import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from augdistill.base.errors import ConfigError, DataError, RequestError
from augdistill.base.text import dataset_label
from augdistill.data import (
    cifar10,
    cifar10_1,
    cifar10h,
    cifar100,
    cinic10,
    digits,
    fashion_mnist,
    image_folder,
    mnist,
    packed,
    svhn,
    tiny_imagenet,
)
from augdistill.data.files import unpacked_if_refused
from augdistill.data.imageset import Header, HumanLabels, ImageSet, Pixels, Source, StatusRow, channel_statistics
from augdistill.data.packed import nothing_packed
from augdistill.data.splits import split_validation
from augdistill.plugins import Table

__all__ = [
    "DATASETS",
    "HUMAN_LABELS",
    "Header",
    "HumanLabels",
    "ImageSet",
    "StatusRow",
    "as_found",
    "channel_statistics",
    "expected_shape",
    "fetch",
    "header",
    "image_names",
    "is_packed",
    "is_there",
    "load",
    "load_human_labels",
    "nothing_packed",
    "split_validation",
    "status",
    "test_set_name",
    "unpacked_if_refused",
    "verify",
]

log = logging.getLogger(__name__)


class Dataset(Protocol):
    """What a dataset's module holds; the reader's own parameters are the keyword-only arguments of `read`.

    One whose images are files has `image_names(root, split, **params)`: what they are called, CLASS/NAME.
    One of labels that people gave to another dataset's test images has `LABELS_OF`, the name of that dataset, and
    `read_human_labels(root, verify)`, too. One of whose files there are no checksums has `HAS_CHECKSUMS = False`.
    """

    @property
    def SPLITS(self) -> tuple[str, ...]:
        """The splits that it has: "train", "test"."""

    @property
    def TEST_SET(self) -> str:
        """The name that its test set has in results."""

    @property
    def LABEL(self) -> str:
        """What its test set is called on the page, in tables and in figures."""

    @property
    def where(self) -> Callable[..., str]:
        """(root, **params): the folder or package it lies in, there or not."""

    @property
    def shape(self) -> Callable[..., tuple[int, int, int]]:
        """(**params): C, H, W of its images, known without the data; raises ConfigError on a parameter."""

    @property
    def source(self) -> Callable[..., Source]:
        """(root, split, **params): the files of a split; raises DataError where they are missing."""

    @property
    def read(self) -> Callable[..., Pixels]:
        """(root, split, verify, **params): the images and labels; raises DataError where they are wrong."""

    @property
    def fetch(self) -> Callable[[Path], None]:
        """(root): download into root; raises DataError where there is nothing to download."""


def header(name: str, split: str, *, root: Path, cache: Path, verify: bool = True, **params: Any) -> Header:
    """Return what is known of a split ("train", "test"), packing it into `cache` at the first call.

    With `verify`, files that are not the publisher's are refused. Raises DataError for data that is missing, damaged
    or not what it should be, ConfigError for a name or parameter, WorkError for a cache that cannot be written.
    """
    return packed.find_header(Path(cache), _request(name, split, Path(root), verify, params))


def is_packed(name: str, split: str, *, root: Path, cache: Path, verify: bool = True, **params: Any) -> bool:
    """Return whether a split was packed into `cache` from the files that are there."""
    try:
        folder, _ = packed.place(Path(cache), _request(name, split, Path(root), verify, params))
    except RequestError:
        return False
    return packed.read_header(folder) is not None


def is_there(
    name: str, split: str, *, root: Path, verify: bool = True, cache: Path | None = None, **params: Any
) -> str:
    """Return why the files of a split are not there, nothing if they are; whether they are right, reading tells."""
    try:
        _find(name).source(_resolved(root), split, **params)
    except (DataError, OSError) as error:
        return str(error)
    return ""


def load(name: str, split: str, *, root: Path, cache: Path, verify: bool = True, **params: Any) -> ImageSet:
    """Return a split, its images mapped from `cache`; raises as `header` does."""
    images = packed.find_or_pack(Path(cache), _request(name, split, Path(root), verify, params), packed.read_set)
    if not verify and not images.header.verified:
        log.warning("%s %s: not checked against the publisher's checksums (dataset.verify=false)", name, split)
    if images.header.note:
        log.warning("%s %s: %s", name, split, images.header.note)
    return images


def load_human_labels(name: str, *, root: Path, verify: bool = True) -> HumanLabels:
    """Return the label distributions that people gave to a test set, of those in HUMAN_LABELS. Raises DataError."""
    if name not in HUMAN_LABELS:
        raise DataError(f"{name} has no human labels; allowed: {', '.join(HUMAN_LABELS)}")
    if not verify:
        log.warning("%s: not checked against the publisher's checksum (dataset.verify=false)", name)
    read: Callable[[Path, bool], HumanLabels] = vars(_find(name))["read_human_labels"]
    return read(_resolved(root), verify)


def expected_shape(name: str, **params: Any) -> tuple[int, int, int]:
    """Return C, H, W of the images of a dataset with its reader's parameters, without the data; raises ConfigError."""
    return _find(name).shape(**params)


def test_set_name(name: str, trained: Mapping[str, Any] | None = None) -> str:  # noqa: PT028
    """Return the name that the test set of a dataset has in results; raises ConfigError for an unknown dataset.

    Where `trained`, a `dataset` group, is that dataset in a user's own folder, the name is that folder's.
    """
    own = trained is not None and trained["name"] == name and isinstance(trained.get("path"), str)
    return f"{dataset_label(trained)}-test" if trained is not None and own else _find(name).TEST_SET


def image_names(name: str, split: str, count: int, *, root: Path, **params: Any) -> list[str]:
    """Return the names of the files of a split's `count` images, CLASS/NAME; DataError where images have none."""
    names_of = getattr(_find(name), "image_names", None)
    if names_of is None:
        raise DataError(f"the images of {name} are no files with names: key the rows by index, from 0 on")
    found: list[str] = names_of(_resolved(root), split, **params)
    if len(found) != count:
        raise DataError(f"{len(found) - count} of {len(found)} files of {name} could not be read: key rows by index")
    return found


def as_found(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `dataset` group with the absolute paths that it stands for now, as runs record them."""
    root = Path(dataset["root"]).expanduser().absolute()
    found = {**dataset, "root": str(root)}
    if isinstance(dataset.get("path"), str):
        found["path"] = str(image_folder.folder_of(root, dataset["path"]))
    return found


def status(root: Path, cache: Path) -> list[StatusRow]:
    """Return a row for each split of each dataset: where it was looked for, and what is known of it. Reads no pixel."""
    return [
        _status_row(name, split, _resolved(root), Path(cache))
        for name, dataset in DATASETS.items()
        for split in dataset.SPLITS
    ]


def fetch(name: str, root: Path) -> bool:
    """Download a dataset into `root` unless it is there, and return whether it was not.

    Raises DataError on a wrong checksum, WorkError on the way.
    """
    dataset, root = _find(name), _resolved(root)
    try:
        for split in dataset.SPLITS:
            dataset.source(root, split)
    except (RequestError, OSError):
        dataset.fetch(root)
        return True
    log.info("%s is there already: %s", name, dataset.where(root))
    return False


def verify(name: str, root: Path, cache: Path) -> list[Header]:
    """Return what is known of each split of a dataset, its files read anew; raises DataError for one that is wrong.

    What was read is packed into `cache`, which is how `status` knows of it until one of the files changes.
    """
    dataset = _find(name)
    if "path" in inspect.signature(dataset.read).parameters:
        raise DataError(f"{name} is your own folder: there is nothing to verify it against")
    return [packed.verify(Path(cache), _request(name, split, Path(root), True, {})) for split in dataset.SPLITS]


def _find(name: str) -> Dataset:
    return DATASETS.find("dataset", name)


def _request(name: str, split: str, root: Path, verify: bool, params: Mapping[str, Any]) -> packed.Request:
    dataset, root = _find(name), _resolved(root)
    if split not in dataset.SPLITS:
        use = "" if "train" in dataset.SPLITS else f": {name} is a test set, for models trained on cifar10"
        raise DataError(f"{name} has no {split} split, only {' and '.join(dataset.SPLITS)}{use}")
    own = {
        key: argument.default
        for key, argument in inspect.signature(dataset.read).parameters.items()
        if argument.kind is argument.KEYWORD_ONLY
    }
    for key in params:
        if key not in own:
            raise ConfigError(f"dataset.{key} is not a parameter of {name}; it has {', '.join(own) or 'none'}")
    chosen = {**own, **params}
    dataset.shape(**chosen)
    try:
        state = dataset.source(root, split, **chosen).state()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error}") from error
    where = dataset.where(root, **chosen)
    return packed.Request(
        name, split, chosen, verify, where, state, lambda: dataset.read(root, split, verify, **chosen)
    )


def _status_row(name: str, split: str, root: Path, cache: Path) -> StatusRow:
    dataset = DATASETS[name]
    where, has_checksums = dataset.where(root), getattr(dataset, "HAS_CHECKSUMS", True)
    try:
        source = dataset.source(root, split)
        state = source.state()
    except (RequestError, OSError):
        return StatusRow(name, split, False, where, None, None, 0, "", has_checksums)
    known = [header for header, packed_from in packed.headers(cache, name, split) if packed_from == state]
    if not known:  # what comes with an installed package needs no look
        is_installed = True if not source.files else None
        return StatusRow(name, split, True, where, None, is_installed, state["bytes"], "", has_checksums)
    best = max(known, key=lambda header: header.verified)
    return StatusRow(name, split, True, where, best.count, best.verified, state["bytes"], best.note, has_checksums)


def _resolved(root: Path) -> Path:
    return Path(root).expanduser().resolve()


DATASETS = Table[Dataset]("datasets") | {
    "digits": digits,
    "cifar10": cifar10,
    "mnist": mnist,
    "image-folder": image_folder,
    "cinic10": cinic10,
    "cifar10h": cifar10h,
    "cifar10.1-v6": cifar10_1.V6,
    "cifar10.1-v4": cifar10_1.V4,
    "cifar100": cifar100,
    "fashion-mnist": fashion_mnist,
    "svhn": svhn,
    "tiny-imagenet": tiny_imagenet,
}

# Labels that people gave -> the dataset whose test images they are about.
HUMAN_LABELS: dict[str, str] = {
    name: str(dataset.LABELS_OF) for name, dataset in DATASETS.own.items() if hasattr(dataset, "LABELS_OF")
}
