"""The packed cache: read once, mapped, packed again where it was damaged or its source changed."""

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

from augdistill import data
from augdistill.base.errors import DataError, WorkError
from data_files import load, packed_folders, write_cifar10


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


def test_header_json_is_plain(tmp_path) -> None:
    header = load(tmp_path, "digits").header
    record = json.loads((packed_folders(tmp_path)[0] / "header.json").read_text())
    assert record["header"]["fingerprint"] == header.fingerprint
    assert record["header"]["shape"] == [1, 16, 16]


def test_a_header_is_known_without_packing_and_the_same(tmp_path) -> None:
    write_cifar10(tmp_path)
    where = {"root": tmp_path, "cache": tmp_path / "cache", "verify": False}
    with data.nothing_packed():
        unpacked = data.header("cifar10", "train", **where)
        assert not data.is_packed("cifar10", "train", **where)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-batches-py"]
    assert data.header("cifar10", "train", **where) == unpacked
    assert data.is_packed("cifar10", "train", **where)


def test_without_packing_a_source_is_read_once_and_what_is_packed_not_at_all(tmp_path, monkeypatch) -> None:
    write_cifar10(tmp_path)
    packed = load(tmp_path, split="test").header
    reads = []
    read = data.cifar10.read
    monkeypatch.setattr(data.cifar10, "read", lambda *args: reads.append(args[1]) or read(*args))
    where = {"root": tmp_path, "cache": tmp_path / "cache", "verify": False}
    with data.nothing_packed():
        assert data.header("cifar10", "train", **where) == data.header("cifar10", "train", **where)
        assert data.header("cifar10", "test", **where) == packed
    assert reads == ["train"]
