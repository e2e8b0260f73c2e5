"""What the file says that `wandb sync` would send of a run: each epoch once, under the names of history.csv."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import need
from tracking.told import Tell

need("wandb", reason="pip install 'augdistill[trackers]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # which are theirs
BLOCK, HEADER = 2**15, 7  # of LevelDB's log, in which wandb writes: checksum, length and type of each part


def parts(content: bytes) -> Iterator[bytes]:
    """Yield the records of a log, whose own header is as long as that of a part."""
    place, whole = HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + HEADER])
        whole += content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # a whole one, or a last part
            yield whole
            whole = b""


def records(folder: Path) -> list:
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = (folder / "wandb").glob("wandb/offline-run-*/*.wandb")
    found: list = []
    until = time.monotonic() + 120
    while not (found and found[-1].WhichOneof("record_type") == "exit"):  # its own process writes when it gets to it
        assert time.monotonic() < until
        time.sleep(0.1)
        found = [Record.FromString(part) for part in parts(file.read_bytes())]
    return found


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for record in records(folder):
        items = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for name, value in items.items():
            if not name.startswith("_"):  # its own: step, time
                found.setdefault(name, []).append((items["_step"], value))
    return found


def test_wandb_reads_each_epoch_once(told: Tell, tmp_path: Path) -> None:
    found = told("wandb", logged)
    (run,) = [record.run for record in records(tmp_path / "trackers") if record.run.run_id]
    assert run.run_id.startswith(f"{found.run.id[:16]}-")
    assert run.display_name == found.run.path.name
    config = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in run.config.update}
    assert config["student.name"] == "lenet"
    assert config["optim.lr"] == found.run.config.optim.lr
