"""The room's own functions: table, packed cache, status. What each reader reads is tested in test_data_readers.py."""

import inspect
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from augdistill import data
from augdistill.base.errors import AugdistillError, ConfigError, DataError, WorkError
from augdistill.config import conf_dir, parameters
from conftest import REAL_DATA
from data_files import write_cifar10, write_cifar10h, write_cinic10, write_mnist

COMMON = {"name", "root", "verify", "mean", "std", "validation", "test_sets"}


def load(root: Path, name: str = "cifar10", split: str = "train", **params: object) -> data.ImageSet:
    return data.load(name, split, root=root, cache=root / "cache", **{"verify": False, **params})


def packed_folders(root: Path) -> list[Path]:
    return sorted(path for path in (root / "cache").iterdir() if path.is_dir())


@pytest.mark.parametrize("name", data.DATASETS)
def test_yaml_lists_the_readers_parameters_with_their_defaults(name: str) -> None:
    values = yaml.safe_load((conf_dir() / "dataset" / f"{name}.yaml").read_text())
    assert values["name"] == name
    assert set(values) >= COMMON
    arguments = inspect.signature(data.DATASETS[name].read).parameters.values()
    own = {argument.name: argument.default for argument in arguments if argument.kind is argument.KEYWORD_ONLY}
    assert {key: value for key, value in values.items() if key not in COMMON} == own
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
    }


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


def test_a_set_that_is_refused_while_packing_leaves_nothing(tmp_path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"\x80\x02}.")
    with pytest.raises(DataError, match="data_batch_3"):
        load(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-batches-py"]


def test_the_cache_serves_what_was_read_without_reading_again(tmp_path, monkeypatch) -> None:
    written = write_cifar10(tmp_path)
    first = load(tmp_path)

    def unreachable(root, split, verify):
        raise AssertionError("read again")

    monkeypatch.setattr(data.cifar10, "read", unreachable)
    again = load(tmp_path)
    assert again.header == first.header
    expected = np.concatenate([written[f"data_batch_{index}"][0] for index in range(1, 6)])
    assert np.array_equal(again.images, expected)
    assert isinstance(again.images, np.memmap)
    assert not again.labels.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        again.images[0] = 0


def test_header_agrees_with_the_pixels(tmp_path) -> None:
    write_cifar10(tmp_path)
    images = load(tmp_path)
    scaled = np.asarray(images.images, dtype=np.float64) / 255  # the naive way, in float64
    assert images.header.mean == pytest.approx(scaled.mean(axis=(0, 2, 3)), abs=1e-12)
    assert images.header.std == pytest.approx(scaled.std(axis=(0, 2, 3)), abs=1e-12)
    assert (images.header.count, *images.header.shape) == images.images.shape
    assert images.header == data.header("cifar10", "train", root=tmp_path, cache=tmp_path / "cache", verify=False)
    assert data.expected_shape("cifar10") == images.header.shape


def test_header_of_a_packed_set_opens_no_array(tmp_path) -> None:
    write_cifar10(tmp_path)
    header = load(tmp_path).header
    images = packed_folders(tmp_path)[0] / "images.npy"
    images.write_bytes(b"\0" * images.stat().st_size)
    assert data.header("cifar10", "train", root=tmp_path, cache=tmp_path / "cache", verify=False) == header


def damage_by_truncation(folder: Path) -> None:
    os.truncate(folder / "images.npy", 5000)


def damage_by_another_type(folder: Path) -> None:
    images = np.load(folder / "images.npy")
    np.save(folder / "images.npy", images.view(np.int8))  # the same size


def damage_by_another_shape(folder: Path) -> None:
    images = np.load(folder / "images.npy")
    np.save(folder / "images.npy", images.reshape(-1, 3, 16, 64))


def damage_by_labels_out_of_range(folder: Path) -> None:
    np.save(folder / "labels.npy", np.load(folder / "labels.npy") + 5)


def damage_by_pickled_labels(folder: Path) -> None:
    content = pickle.dumps({"labels": 0})
    (folder / "labels.npy").write_bytes(content.ljust((folder / "labels.npy").stat().st_size, b"\0"))


def damage_by_broken_header(folder: Path) -> None:
    (folder / "header.json").write_text('{"header": [1')


def damage_by_missing_file(folder: Path) -> None:
    (folder / "labels.npy").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        damage_by_truncation,
        damage_by_another_type,
        damage_by_another_shape,
        damage_by_labels_out_of_range,
        damage_by_pickled_labels,
        damage_by_broken_header,
        damage_by_missing_file,
    ],
)
def test_a_damaged_cache_is_packed_again(tmp_path, caplog, damage) -> None:
    write_cifar10(tmp_path)
    before = load(tmp_path)
    header, images = before.header, np.array(before.images)
    damage(packed_folders(tmp_path)[0])
    with caplog.at_level(logging.WARNING):
        again = load(tmp_path)
    assert any("is damaged: packing it again" in line for line in caplog.messages)
    assert again.header == header
    assert np.array_equal(again.images, images)
    caplog.clear()
    load(tmp_path)
    assert not any("damaged" in line for line in caplog.messages)


def test_a_changed_source_is_noticed_and_the_old_copy_goes(tmp_path) -> None:
    write_cifar10(tmp_path, per_batch=20)
    before = load(tmp_path).header
    shutil.rmtree(tmp_path / "cifar-10-batches-py")
    write_cifar10(tmp_path, per_batch=10)
    after = load(tmp_path).header
    assert (before.count, after.count) == (100, 50)
    assert before.fingerprint != after.fingerprint
    assert len(packed_folders(tmp_path)) == 1
    shutil.rmtree(tmp_path / "cifar-10-batches-py")
    with pytest.raises(DataError, match="augdistill data fetch cifar10"):
        load(tmp_path)


def test_a_touched_source_gives_the_same_fingerprint(tmp_path) -> None:
    write_cifar10(tmp_path)
    before = load(tmp_path).header
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").touch()
    assert load(tmp_path).header == before


def test_each_request_has_its_own_copy(tmp_path) -> None:
    small, large = load(tmp_path, "digits", size=16), load(tmp_path, "digits", size=32)
    assert small.header.fingerprint != large.header.fingerprint
    assert load(tmp_path, "digits").header == small.header  # 16 is the default
    assert len(packed_folders(tmp_path)) == 2


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkError, match="cannot be written") as caught:
        data.load("digits", "test", root=tmp_path, cache=tmp_path / "file" / "cache")
    assert "\n" not in str(caught.value)


RACER = """
import sys, logging
from augdistill import data
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
sys.stdin.readline()
images = data.load("cifar10", "train", root=sys.argv[1], cache=sys.argv[1] + "/cache", verify=False)
print("sum", int(images.images.sum()))
print("heavy", [name for name in ("torch", "torchvision", "sklearn", "PIL", "pandas") if name in sys.modules])
"""


def test_processes_pack_once_and_a_reader_imports_nothing_heavy(tmp_path) -> None:
    write_cifar10(tmp_path, per_batch=1000)
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    outputs = [racer.communicate()[0] for racer in racers]
    assert sum("once; kept in" in output for output in outputs) == 1
    assert len({line for output in outputs for line in output.splitlines() if line.startswith("sum")}) == 1
    assert all("heavy []" in output for output in outputs)


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


def test_unverified_data_is_named_in_the_log(tmp_path, caplog) -> None:
    write_cifar10(tmp_path)
    load(tmp_path)
    load(tmp_path, "digits")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "cifar10 train: not checked against the publisher's checksums (dataset.verify=false)",
        "cifar10 train: 100 images; the full train set has 50,000",
    ]


def test_header_json_is_plain(tmp_path) -> None:
    header = load(tmp_path, "digits").header
    record = json.loads((packed_folders(tmp_path)[0] / "header.json").read_text())
    assert record["header"]["fingerprint"] == header.fingerprint
    assert record["header"]["shape"] == [1, 16, 16]


@pytest.mark.skipif(REAL_DATA is None, reason="needs real data: set AUGDISTILL_DATA")
@pytest.mark.parametrize(("name", "split"), [("cifar10", "train"), ("mnist", "train"), ("cinic10", "test")])
def test_real_data(tmp_path, name, split) -> None:
    try:
        images = data.load(name, split, root=REAL_DATA, cache=tmp_path, verify=False)
    except AugdistillError as error:
        pytest.skip(str(error))
    assert images.header.count > 1000
    assert np.unique(images.labels).tolist() == list(range(10))
