"""The table of datasets: names, parameters, refusals, status, fetching; each reader has a test of its own."""

import hashlib
import inspect
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from augdistill import data
from augdistill.base.errors import AugdistillError, ConfigError, DataError
from augdistill.config import conf_dir, parameters
from augdistill.data import mnist
from conftest import REAL_DATA
from data_files import load, packed_folders, write_cifar10, write_cifar10h, write_cinic10, write_mnist

COMMON = {"name", "root", "verify", "mean", "std", "validation", "test_sets"}


@pytest.mark.parametrize("name", data.DATASETS)
def test_yaml_lists_the_readers_parameters_with_their_defaults(name: str) -> None:
    values = yaml.safe_load((conf_dir() / "dataset" / f"{name}.yaml").read_text())
    assert values["name"] == name
    assert set(values) >= COMMON
    arguments = inspect.signature(data.DATASETS[name].read).parameters.values()
    own = {argument.name: argument.default for argument in arguments if argument.kind is argument.KEYWORD_ONLY}
    listed = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    assert {key: value for key, value in listed.items() if key not in COMMON} == own
    assert set(values["test_sets"]) <= set(data.DATASETS)
    for key in ("mean", "std"):
        assert values[key] is None or len(values[key]) in (
            1,
            data.expected_shape(name, **parameters("dataset", name))[0],
        )


def test_names_of_test_sets() -> None:
    names = {name: data.test_set_name(name) for name in data.DATASETS}
    assert names == {
        "digits": "digits-test",
        "cifar10": "cifar10-test",
        "mnist": "mnist-test",
        "image-folder": "image-folder-test",
        "cinic10": "cinic10-imagenet-test",
        "cifar10h": "cifar10h",
        "cifar10.1-v6": "cifar10.1-v6",
        "cifar10.1-v4": "cifar10.1-v4",
        "cifar100": "cifar100-test",
        "fashion-mnist": "fashion-mnist-test",
        "svhn": "svhn-test",
        "tiny-imagenet": "tiny-imagenet-val",
    }
    trained = {"name": "image-folder", "path": "/x/flowers"}
    assert data.test_set_name("image-folder", trained) == "image-folder-flowers-test"
    assert data.test_set_name("image-folder", {**trained, "path": None}) == "image-folder-test"
    assert data.test_set_name("mnist", trained) == "mnist-test"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda root: load(root, "cifra10"), ConfigError, "did you mean cifar10"),
        (lambda root: load(root, "digits", sze=16), ConfigError, "dataset.sze is not a parameter of digits"),
        (lambda root: load(root, "digits", size=7), ConfigError, "dataset.size=7"),
        (lambda root: load(root, "digits", channels=2), ConfigError, "dataset.channels=2"),
        (lambda root: load(root, "mnist", channels=True), ConfigError, "dataset.channels=True"),
        (lambda root: load(root, "digits", "valid"), DataError, "only train and test"),
        (lambda root: load(root, "cinic10", "train"), DataError, "a test set, for models trained on cifar10"),
        (lambda root: load(root, "cifar10h", "train"), DataError, "a test set, for models trained on cifar10"),
        (lambda root: load(root, "cifar10"), DataError, "augdistill data fetch cifar10"),
        (lambda root: load(root, "mnist"), DataError, "MNIST/raw"),
        (lambda root: load(root, "cinic10", "test"), DataError, "CINIC-10/test"),
        (lambda root: load(root, "image-folder"), ConfigError, "dataset.path=FOLDER"),
        (lambda root: load(root, "image-folder", path="gone"), DataError, "train/<class>/"),
        (lambda root: data.load_human_labels("cifar10h", root=root), DataError, "cifar10h-probs.npy"),
        (lambda root: data.load_human_labels("digits", root=root), DataError, "allowed: cifar10h"),
        (lambda root: data.fetch("digitz", root), ConfigError, "did you mean digits"),
        (lambda root: data.fetch("image-folder", root), DataError, "your own folder"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(tmp_path, call, error, words) -> None:
    with pytest.raises(error) as caught:
        call(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_status_tells_what_is_there(tmp_path) -> None:
    write_cifar10(tmp_path)
    write_mnist(tmp_path)
    write_cinic10(tmp_path)
    load(tmp_path)
    rows = {(row.dataset, row.split): row for row in data.status(tmp_path, tmp_path / "cache")}
    assert set(rows) == {(name, split) for name, dataset in data.DATASETS.items() for split in dataset.SPLITS}
    train = rows["cifar10", "train"]
    files = [tmp_path / "cifar-10-batches-py" / f"data_batch_{index}" for index in range(1, 6)]
    assert (train.found, train.count, train.verified) == (True, 100, False)
    assert train.size == sum(path.stat().st_size for path in files)
    assert train.note == "100 images; the full train set has 50,000"
    assert (rows["mnist", "test"].found, rows["mnist", "test"].count) == (True, None)
    assert rows["cinic10", "test"].found
    assert rows["digits", "train"].found
    assert not rows["cifar10h", "test"].found
    assert not rows["image-folder", "train"].found
    write_cifar10h(tmp_path, np.full((10_000, 10), 0.1))
    assert {row.dataset: row.found for row in data.status(tmp_path, tmp_path / "cache")}["cifar10h"]
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [packed_folders(tmp_path)[0].name]


def states(root: Path, name: str) -> list[str]:
    return [row.state for row in data.status(root, root / "cache") if row.dataset == name]


def as_published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the files in a folder for the publisher's."""
    for name in mnist.CHECKSUMS:
        monkeypatch.setitem(mnist.CHECKSUMS, name, f"md5:{hashlib.md5((folder / name).read_bytes()).hexdigest()}")


def test_a_copy_is_verified_until_one_of_its_files_changes(tmp_path, monkeypatch) -> None:
    folder = write_mnist(tmp_path)
    as_published(folder, monkeypatch)
    assert states(tmp_path, "mnist") == ["there, not verified"] * 2
    assert [found.count for found in data.verify("mnist", tmp_path, tmp_path / "cache")] == [40, 20]
    assert states(tmp_path, "mnist") == ["there, verified"] * 2
    os.utime(folder / "t10k-labels-idx1-ubyte", (0, 0))
    assert states(tmp_path, "mnist") == ["there, verified", "there, not verified"]
    data.verify("mnist", tmp_path, tmp_path / "cache")
    assert states(tmp_path, "mnist") == ["there, verified"] * 2


def test_verifying_reads_the_files_again(tmp_path, monkeypatch) -> None:
    folder = write_mnist(tmp_path)
    as_published(folder, monkeypatch)
    data.verify("mnist", tmp_path, tmp_path / "cache")
    path = folder / "train-images-idx3-ubyte"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # nothing that `status` looks at has changed
    assert states(tmp_path, "mnist") == ["there, verified"] * 2
    with pytest.raises(DataError, match=r"train-images.* is not the publisher's file .*data fetch mnist"):
        data.verify("mnist", tmp_path, tmp_path / "cache")
    assert states(tmp_path, "mnist") == ["there, not verified", "there, verified"]


def test_training_on_a_copy_verifies_it_but_where_that_is_turned_off(tmp_path, monkeypatch) -> None:
    as_published(write_mnist(tmp_path), monkeypatch)
    load(tmp_path, "mnist", "train")
    assert states(tmp_path, "mnist") == ["there, not verified"] * 2
    data.load("mnist", "train", root=tmp_path, cache=tmp_path / "cache")
    assert states(tmp_path, "mnist") == ["there, verified", "there, not verified"]


def test_what_has_no_checksums_is_read_and_what_is_installed_needs_no_look(tmp_path) -> None:
    write_cinic10(tmp_path)
    assert states(tmp_path, "cinic10") == ["there, not verified"]
    assert [found.verified for found in data.verify("cinic10", tmp_path, tmp_path / "cache")] == [False]
    assert states(tmp_path, "cinic10") == ["there, read"]
    assert states(tmp_path, "digits") == ["there, verified"] * 2
    assert states(tmp_path, "svhn") == ["missing"] * 2
    with pytest.raises(DataError, match="your own folder: there is nothing to verify it against"):
        data.verify("image-folder", tmp_path, tmp_path / "cache")


def test_unverified_data_is_named_in_the_log(tmp_path, caplog) -> None:
    write_cifar10(tmp_path)
    load(tmp_path)
    load(tmp_path, "digits")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "cifar10 train: not checked against the publisher's checksums (dataset.verify=false)",
        "cifar10 train: 100 images; the full train set has 50,000",
    ]


@pytest.mark.skipif(REAL_DATA is None, reason="needs real data: set AUGDISTILL_DATA")
@pytest.mark.parametrize(("name", "split"), [("cifar10", "train"), ("mnist", "train"), ("cinic10", "test")])
def test_real_data(tmp_path, name, split) -> None:
    try:
        images = data.load(name, split, root=REAL_DATA, cache=tmp_path, verify=False)
    except AugdistillError as error:
        pytest.skip(str(error))
    assert images.header.count > 1000
    assert np.unique(images.labels).tolist() == list(range(10))
