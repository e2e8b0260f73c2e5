"""What all this costs: checks at start-up, and checkpoints at their default."""

import hashlib
import json
import time
from pathlib import Path

import pytest
import torch

from augdistill import models
from augdistill.config import checkpoint_every, parameters
from augdistill.identity import Ref
from augdistill.runs import RunStore, checksum
from augdistill.training.checkpoint import State, save_checkpoint
from augdistill.training.device import resolve
from augdistill.training.sgd import sgd
from core import LOOP_RECIPE, teacher_config


def test_a_thousand_runs_are_looked_up_in_under_a_second(tmp_path: Path, taught: Path) -> None:
    """Of processor time: whether each is there, and its manifest sound."""
    (path,) = taught.glob("runs/teacher-*/manifest.json")
    manifest, refs = json.loads(path.read_text()), []
    for number in range(1000):
        id = hashlib.sha256(str(number).encode()).hexdigest()
        refs.append(Ref("teacher", id, f"teacher-{id[:8]}", {}))
        folder = tmp_path / "runs" / refs[-1].folder
        folder.mkdir(parents=True)
        named = {**manifest, "id": id}
        (folder / "manifest.json").write_text(json.dumps({**named, "checksum": checksum(named)}, indent=1))
    store, began = RunStore(tmp_path), time.process_time()
    assert all(store.find(ref) is not None for ref in refs)
    seconds = time.process_time() - began
    print(f"1,000 runs looked up in {seconds:.2f} s")
    assert seconds < 1


@pytest.mark.long
def test_checkpoints_of_a_full_resnet18_cost_under_two_percent_at_their_default(tmp_path: Path) -> None:
    """The largest model there is here, with its momentum; between two checkpoints lie the default's minutes."""
    minutes, _ = checkpoint_every(teacher_config(tmp_path)["runtime"]["checkpoint_every"])
    model = models.build("resnet18", (3, 32, 32), 10, seed=0, **{**parameters("teacher", "resnet18"), "width": 64})
    optimizer = sgd(model, LOOP_RECIPE)
    model(torch.rand(2, 3, 32, 32))[0].sum().backward()
    optimizer.step()
    facts, seconds = resolve("cpu", "fp32", 1).facts(), []
    for step in range(5):
        began = time.monotonic()
        save_checkpoint(tmp_path, model, optimizer, State(step), facts)
        seconds.append(time.monotonic() - began)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) / 2e6
    share = sorted(seconds)[2] / (60 * minutes)
    print(f"a checkpoint of {size:.0f} MB takes {sorted(seconds)[2]:.2f} s, {share:.2%} of {minutes:g} minutes")
    assert share < 0.02
