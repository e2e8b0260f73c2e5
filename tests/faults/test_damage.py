"""Truncated or with one bit flipped, no file is taken for what it was: it is named, or made again."""

import logging
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from augdistill.base.errors import DataError, RunError, StoppedError, WorkError
from augdistill.base.text import removal
from augdistill.cli import listing
from augdistill.data import load
from augdistill.stages import common, run_job, teacher
from augdistill.store.documents import KINDS
from augdistill.store.runs import RunStore, read_manifest
from composed import changed
from core import checkpoints, flip_bit, same, stopping_after, student_config, teacher_config, unfinished, weights
from faults.harness import ended, job, results

Copied = Callable[[str], Path]


def damaged(path: Path, rng: random.Random) -> str:
    """Flip a bit of a file or cut it short, at a random place; return what was done."""
    content, place = path.read_bytes(), rng.randrange(path.stat().st_size)
    if rng.random() < 0.5:
        path.write_bytes(content[:place])
        return f"cut at {place}"
    changed = bytearray(content)
    changed[place] ^= 1 << rng.randrange(8)
    path.write_bytes(changed)
    return f"flipped in {place}"


def check_every_file(outputs: Path, rng: random.Random, times: int) -> int:
    """Damage each file that a manifest lists, and the manifest, some times; return how often, all of them noticed."""
    store, done = RunStore(outputs), 0
    for run in store.all():
        for name in [*run.manifest.files, "manifest.json"]:
            path = run.path / name
            whole = path.read_bytes()
            for _ in range(times):
                what = damaged(path, rng)
                found = store.damage(run.path)
                if name != "manifest.json":
                    assert found == [f"{path} is damaged (its checksum differs)"], (path, what)
                    with pytest.raises(RunError, match="is damaged"):
                        run.file(name)
                elif not found:  # the flip is in the checksum's own key, or writes the same number in another way
                    assert read_manifest(run.path) == run.manifest
                path.write_bytes(whole)
                done += 1
            assert store.damage(run.path) == []
    return done


@pytest.mark.slow
@pytest.mark.parametrize("times", [2, pytest.param(500, marks=pytest.mark.long)])
def test_damage_to_every_kind_of_file_of_a_run_is_noticed(times: int, copied: Copied) -> None:
    outputs = copied("outputs")
    assert {run.kind for run in RunStore(outputs).all()} == {*KINDS} - {
        "shift",
        "costs",
    }  # whose files are of the same kinds
    done = check_every_file(outputs, random.Random(0), times)
    print(f"{done} times a file was damaged, noticed each time")
    assert done >= 18 * times


def test_verify_names_what_is_damaged_and_exits_with_1(taught: Path, copied: Copied, run_augdistill) -> None:
    outputs = copied("outputs")
    words = ["runs", "verify", f"outputs={outputs}"]
    ran = run_augdistill(words, outputs)
    assert (ran.code, ran.stdout) == (0, "4 runs checked, none damaged\n")
    _, one, other, third = RunStore(outputs).all()
    flip_bit(one.path / "logits.npy", 1000)
    (other.path / "weights.safetensors").unlink()
    (third.path / "manifest.json").write_text("{}")
    (outputs / "runs" / "teacher-unfinished").mkdir()
    ran = run_augdistill(words, outputs)
    assert ran.code == 1
    lines = ran.stdout.splitlines()
    assert lines[0] == f"{one.path / 'logits.npy'} is damaged (its checksum differs)"
    assert lines[1] == f"{other.path / 'weights.safetensors'} is missing"
    assert str(third.path / "manifest.json") in lines[2]
    assert len(lines) == 3
    assert ran.stderr.startswith("augdistill runs: 4 runs checked, 1 unfinished, 3 damaged: augdistill runs remove RUN")
    store = RunStore(outputs)
    assert listing.verify_runs(RunStore(taught), one.id[:12]) == "1 run checked, none damaged"
    with pytest.raises(WorkError, match="1 run checked, 1 damaged"):
        listing.verify_runs(store, other.path.name)


def interrupted(outputs: Path) -> tuple[Path, dict]:
    """Return an unfinished teacher's folder, with two checkpoints in the middle of it, and its config."""
    config = teacher_config(outputs, "aug=mixup", "runtime.checkpoint_every=0min")
    with stopping_after(8), pytest.raises(StoppedError):
        teacher.run(config)
    return unfinished(outputs), config


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(seed: int, copied: Copied, caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    rng, outputs, calm = random.Random(seed), copied("outputs"), copied("calm")
    folder, config = interrupted(outputs)
    expected = teacher.run(changed(config, {"outputs": str(calm)}))
    newest = checkpoints(folder)[-1]
    damaged(newest, rng)
    run = teacher.run(config)
    log = (run.path / "log").read_text()
    assert f"{newest} is damaged; going on from the checkpoint before it" in log
    assert "goes on from step 7, in epoch 2" in log
    assert same(weights(run), weights(expected))
    assert results(outputs) == results(calm)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "header.json"])
def test_a_damaged_cache_is_packed_again(name: str, copied: Copied) -> None:
    outputs, rng = copied("outputs"), random.Random(name)
    cache = outputs / "cache"
    arguments = {"root": Path("data"), "cache": cache, "verify": True, "size": 16}
    whole = load("digits", "train", **arguments)
    images, (path,) = np.array(whole.images), cache.glob(f"digits-train-*/{name}")
    content = path.read_bytes()
    for _ in range(10):
        damaged(path, rng)
        again = load("digits", "train", **arguments)
        assert again.header == whole.header
        assert np.array_equal(again.images, images)
        assert path.read_bytes() == content


def test_a_dataset_that_changed_since_the_plan_is_refused_before_any_work(copied: Copied) -> None:
    outputs = copied("outputs")
    planned = {"kind": "teacher", "config": teacher_config(outputs, "seed=5").plain(), "id": "0" * 64}
    with pytest.raises(DataError, match="is not what was planned: its dataset changed since; the same command plans"):
        run_job(planned)
    with pytest.raises(DataError, match="digits changed while it was read: the same command begins anew"):
        common.dataset_images(teacher_config(outputs), fingerprint="another")
    assert len(RunStore(outputs).all()) == len(list((outputs / "runs").iterdir())) == 4


def test_a_damaged_teacher_teaches_nobody(copied: Copied) -> None:
    outputs = copied("outputs")
    (path,) = outputs.glob("runs/teacher-*/weights.safetensors")
    flip_bit(path, 5000)
    last = ended(job("student", student_config(outputs, "aug=cutmix", "seed=3", "teacher_seed=0")), outputs / "told")
    assert last.code == 2
    assert last.told == f"{path} is damaged (its checksum differs): {removal(path.parent)}"
