"""Exact resume: whatever interrupts the loop, it ends with the same bits as if nothing had."""

import dataclasses
import hashlib
import json
import logging
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from augdistill.base.errors import DivergedError, RunError, StoppedError, WorkError
from augdistill.training import device as device_module
from augdistill.training import loop
from augdistill.training.batches import Batch, TrainingSet
from augdistill.training.checkpoint import State, drop_checkpoints, load_checkpoint, save_checkpoint
from augdistill.training.device import Device, resolve
from augdistill.training.sgd import sgd
from core import (
    COUNT,
    EPOCHS,
    MIXUP,
    STEPS,
    checkpoint_weights,
    checkpoints,
    flip_bit,
    same,
    small_model,
    small_set,
    train,
    two_part_loss,
)

RECIPE: dict[str, Any] = {"clip_norm": 1.0, "warmup_epochs": 1.0, "lr": 0.05}
State_ = dict[str, Tensor]


def stop_at(step: int) -> Callable[[], bool]:
    """Return a stop hook that asks to stop when it is asked for the `step`-th time."""
    asked = iter(range(1, 10**6))
    return lambda: next(asked) >= step


def run(name: str, folder: Path, recipe: dict[str, Any] = RECIPE, **how: Any) -> tuple[State_, list[dict[str, float]]]:
    """Train a small model in float32; return its weights and buffers, and its history without the time column."""
    network = small_model(name, torch.float32)
    rows = train(network, small_set(torch.float32), folder, recipe, ops=MIXUP, **how)
    return network.state_dict(), [{key: row[key] for key in row if key != "images_per_second"} for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[State_, list[dict[str, float]]]]:
    return {name: run(name, tmp_path_factory.mktemp(name)) for name in ("resnet18", "drops")}


def interrupt(name: str, folder: Path, step: int, **how: Any) -> None:
    with pytest.raises(StoppedError, match=f"stopped at step {step} with everything saved: the same command goes on"):
        run(name, folder, stop=stop_at(step), **how)


@pytest.mark.parametrize("step", [1, 3, 4, 5, 8, STEPS - 1, STEPS])
@pytest.mark.parametrize("name", [pytest.param("resnet18", marks=pytest.mark.slow), "drops"])
def test_a_run_that_was_stopped_ends_with_the_same_bits(name: str, step: int, undisturbed, tmp_path: Path) -> None:
    interrupt(name, tmp_path, step)
    (path,) = checkpoints(tmp_path)
    weights, history = run(name, tmp_path)
    assert same(weights, undisturbed[name][0])
    assert history == undisturbed[name][1]
    assert len(history) == EPOCHS
    if step < STEPS:  # else the test would pass without going on
        assert not same(checkpoint_weights(path), weights)


@pytest.mark.parametrize("select", ["last", "best-test-accuracy"])
def test_a_run_that_is_stopped_at_every_step_ends_with_the_same_bits(select: str, tmp_path: Path) -> None:
    recipe = {**RECIPE, "epochs": 3, "select": select}
    # Some accuracy that differs from epoch to epoch and is best in the middle.
    score = {"score": lambda network: {"test_accuracy": float(network.stem[1].num_batches_tracked == 8)}}
    weights, history = run("resnet18", tmp_path / "undisturbed", recipe, **score)
    (tmp_path / "stopped").mkdir()
    for step in range(1, 13):
        with pytest.raises(StoppedError, match=f"at step {step} "):
            run("resnet18", tmp_path / "stopped", recipe, stop=lambda: True, **score)
    resumed = run("resnet18", tmp_path / "stopped", recipe, stop=lambda: True, **score)
    assert same(resumed[0], weights)
    assert resumed[1] == history
    assert int(weights["stem.1.num_batches_tracked"]) == (8 if select == "best-test-accuracy" else 12)


@pytest.mark.parametrize("step", [1, 4, 7, 13])
def test_one_cycle_goes_on_where_it_was(step: int, tmp_path: Path) -> None:
    recipe = {**RECIPE, "schedule": "one-cycle", "warmup_share": 0.3}
    weights, history = run("resnet18", tmp_path / "undisturbed", recipe)
    (tmp_path / "stopped").mkdir()
    with pytest.raises(StoppedError):
        run("resnet18", tmp_path / "stopped", recipe, stop=stop_at(step))
    resumed = run("resnet18", tmp_path / "stopped", recipe)
    assert same(resumed[0], weights)
    assert resumed[1] == history


class Killed(BaseException):
    """What ends a process with no time to save."""


def kill(name: str, folder: Path, step: int, **how: Any) -> None:
    """Train until the loop has done `step` steps, then end at once, before it can save them."""
    asked = iter(range(1, 10**6))

    def stop() -> bool:
        if next(asked) == step:
            raise Killed
        return False

    with pytest.raises(Killed):
        run(name, folder, stop=stop, **how)


@pytest.mark.parametrize("step", [2, 3, 4, 5, 9, STEPS])
@pytest.mark.parametrize("name", [pytest.param("resnet18", marks=pytest.mark.slow), "drops"])
def test_a_run_that_was_killed_goes_on_from_a_checkpoint_within_its_epoch(name, step, undisturbed, tmp_path) -> None:
    kill(name, tmp_path, step, checkpoint_every="0min")
    newest = checkpoints(tmp_path)[-1]
    assert newest.name.startswith(f"{step - 1:09d}-")
    weights, history = run(name, tmp_path)
    assert same(weights, undisturbed[name][0])
    assert history == undisturbed[name][1]
    assert not same(checkpoint_weights(newest), weights)


@pytest.mark.parametrize(
    ("every", "steps"),
    [("0min", [19, 20]), ("1epoch", [16, 20]), ("2epochs", [8, 16]), ("5epochs", [20]), ("1min", [])],
)
def test_checkpoints_come_as_often_as_asked(every: str, steps: list[int], tmp_path: Path) -> None:
    run("drops", tmp_path, checkpoint_every=every)
    assert [int(path.stem.split("-")[0]) for path in checkpoints(tmp_path)] == steps


def test_minutes_are_counted_by_a_clock_that_never_jumps(tmp_path: Path, monkeypatch) -> None:
    """Seven seconds a step, and a minute between checkpoints: the first step at or after each minute saves."""
    now = [0.0]

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        now[0] += 7
        return two_part_loss(logits, batch)

    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(loop.time, "time", lambda: -1e9)  # set back by the network
    run("drops", tmp_path, checkpoint_every="1min", loss=loss)
    assert [int(path.stem.split("-")[0]) for path in checkpoints(tmp_path)] == [9, 18]


def test_images_per_second_of_an_epoch_that_was_interrupted_count_all_of_it(tmp_path: Path, monkeypatch) -> None:
    now = [0.0]

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        now[0] += 10  # each step takes ten seconds
        return two_part_loss(logits, batch)

    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    for step in (3, 3):  # in the first epoch, then in the second
        with pytest.raises(StoppedError):
            train(small_model("drops"), small_set(), tmp_path, loss=loss, stop=stop_at(step))
        now[0] += 1e6  # the machine was away
    rows = train(small_model("drops"), small_set(), tmp_path, loss=loss)
    assert [row["images_per_second"] for row in rows] == [round(COUNT / 40, 1)] * EPOCHS


def test_checkpoints_of_older_versions_go_on(undisturbed, tmp_path: Path) -> None:
    """Those before checkpoint_every held no seconds."""
    interrupt("drops", tmp_path, 6)
    (path,) = checkpoints(tmp_path)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        saved = json.loads(file.metadata()["state"])
    del saved["seconds"]
    path.unlink()
    content = save(tensors, {"state": json.dumps(saved)})
    path.with_name(f"000000006-{hashlib.sha256(content).hexdigest()[:16]}.safetensors").write_bytes(content)
    weights, history = run("drops", tmp_path)
    assert same(weights, undisturbed["drops"][0])
    assert history == undisturbed["drops"][1]


def test_where_a_run_goes_on_is_logged(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    interrupt("drops", tmp_path, 6)
    assert caplog.text == ""
    run("drops", tmp_path)
    assert f"{tmp_path.name} goes on from step 6, in epoch 2" in caplog.text


def test_a_loss_that_is_not_finite_is_never_kept(tmp_path: Path) -> None:
    steps = []

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        steps.append(1)
        return two_part_loss(logits, batch) * (float("nan") if len(steps) == 6 else 1)

    with pytest.raises(DivergedError, match="the training loss is nan in epoch 1"):
        run("drops", tmp_path, checkpoint_every="0min", loss=loss)
    assert len(steps) == 6  # noticed at once where a checkpoint is due, else at the end of the epoch
    assert [int(path.stem.split("-")[0]) for path in checkpoints(tmp_path)] == [4, 5]


def test_two_checkpoints_are_kept_each_named_by_its_step_and_content(tmp_path: Path) -> None:
    run("drops", tmp_path, checkpoint_every="1epoch")
    paths = checkpoints(tmp_path)
    assert [int(path.stem.split("-")[0]) for path in paths] == [STEPS - 4, STEPS]
    for path in paths:
        assert path.stem.split("-")[1] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert {item.name for item in (tmp_path / ".checkpoints").iterdir()} == {path.name for path in paths}
    drop_checkpoints(tmp_path)
    drop_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


def bit(path: Path) -> None:
    flip_bit(path, path.stat().st_size // 2)


def header_bit(path: Path) -> None:
    flip_bit(path, 20)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [bit, header_bit, truncate, empty])
def test_a_damaged_checkpoint_is_named_and_passed_over(damage, undisturbed, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.WARNING, "augdistill")
    interrupt("resnet18", tmp_path, 5)
    with pytest.raises(StoppedError):
        run("resnet18", tmp_path, stop=stop_at(4))
    older, newest = checkpoints(tmp_path)
    damage(newest)
    weights, history = run("resnet18", tmp_path)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"{newest} is damaged; going on from the checkpoint before it" in caplog.text
    assert same(weights, undisturbed["resnet18"][0])
    assert history == undisturbed["resnet18"][1]
    damage(older)
    assert load_checkpoint(tmp_path, *fresh()) is None
    assert same(run("resnet18", tmp_path)[0], weights)  # from the beginning


def fresh() -> tuple[nn.Module, torch.optim.SGD]:
    network = small_model("resnet18", torch.float32)
    return network, sgd(network, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0})


def drop_a_weight(tensors: State_) -> None:
    del tensors["model.head.weight"]


def add_a_weight(tensors: State_) -> None:
    tensors["model.other"] = torch.zeros(3)


def change_a_shape(tensors: State_) -> None:
    tensors["model.head.weight"] = torch.zeros(10, 3)


def change_a_momentum(tensors: State_) -> None:
    tensors["momentum.head.weight"] = torch.zeros(10, 3)


@pytest.mark.parametrize("forge", [drop_a_weight, add_a_weight, change_a_shape, change_a_momentum])
def test_a_whole_checkpoint_of_something_else_changes_nothing(forge, undisturbed, tmp_path: Path, caplog) -> None:
    interrupt("resnet18", tmp_path, 5)
    (path,) = checkpoints(tmp_path)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    forge(tensors)
    path.unlink()
    other = path.with_name("other.safetensors")
    save_file(tensors, other, metadata)
    digest = hashlib.sha256(other.read_bytes()).hexdigest()[:16]
    other.rename(path.with_name(f"000000005-{digest}.safetensors"))
    network, optimizer = fresh()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert load_checkpoint(tmp_path, network, optimizer) is None
    assert "does not fit this run" in caplog.text
    assert same(network.state_dict(), before)
    assert not optimizer.state
    assert same(run("resnet18", tmp_path)[0], undisturbed["resnet18"][0])


def test_a_disk_that_fills_up_leaves_the_checkpoint_before(undisturbed, tmp_path: Path) -> None:
    interrupt("resnet18", tmp_path, 5)
    before = checkpoints(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WorkError, match="too large"):
            run("resnet18", tmp_path, stop=stop_at(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoints(tmp_path) == before
    assert not list(tmp_path.rglob(".writing-*"))
    assert same(run("resnet18", tmp_path)[0], undisturbed["resnet18"][0])


def test_half_a_checkpoint_that_a_killed_process_left_is_not_read(undisturbed, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.WARNING, "augdistill")
    interrupt("resnet18", tmp_path, 5)
    (path,) = checkpoints(tmp_path)
    (tmp_path / ".checkpoints" / ".writing-abc").write_bytes(path.read_bytes()[:1000])
    assert same(run("resnet18", tmp_path)[0], undisturbed["resnet18"][0])
    assert caplog.text == ""


def test_what_is_kept_of_a_run_that_diverges_is_its_last_good_epoch(tmp_path: Path) -> None:
    steps = []

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        steps.append(1)
        total = logits.square().mean() * (float("nan") if len(steps) > 9 else 1)
        return torch.stack([total, total.detach(), total.detach()])

    with pytest.raises(DivergedError, match="in epoch 2") as diverged:
        run("drops", tmp_path, checkpoint_every="1epoch", loss=loss)
    assert [row["epoch"] for row in diverged.value.history] == [0, 1]
    assert [int(path.stem.split("-")[0]) for path in checkpoints(tmp_path)] == [4, 8]
    assert all(value.isfinite().all() for value in checkpoint_weights(checkpoints(tmp_path)[-1]).values())


@pytest.mark.parametrize(
    ("began", "now", "message"),
    [
        (Device(torch.device("cpu"), "fp32", 2), None, "runtime.threads=2, now 1: type runtime.threads=2, or begin"),
        (
            Device(torch.device("cpu"), "bf16", 1),
            None,
            "runtime.precision=bf16, now fp32: go on where auto means that, or begin again after augdistill runs",
        ),
        (None, Device(torch.device("cpu"), "fp32", 3), "runtime.threads=1, now 3: type runtime.threads=1"),
    ],
)
def test_a_run_goes_on_only_as_it_began(began, now, message: str, tmp_path: Path) -> None:
    interrupt("drops", tmp_path, 3, device=began)
    kept = [(path, path.read_bytes()) for path in checkpoints(tmp_path)]
    with pytest.raises(RunError, match=f"{tmp_path.name} began with {message}") as raised:
        run("drops", tmp_path, device=now)
    assert "\n" not in str(raised.value)
    assert [(path, path.read_bytes()) for path in checkpoints(tmp_path)] == kept


def test_it_goes_on_under_another_name_of_the_same_hardware(undisturbed, tmp_path: Path, monkeypatch) -> None:
    interrupt("drops", tmp_path, 3)
    monkeypatch.setattr(device_module, "cpu_name", lambda: "another processor")
    assert same(run("drops", tmp_path)[0], undisturbed["drops"][0])


def test_a_checkpoint_gives_back_what_was_put_in(tmp_path: Path) -> None:
    network, optimizer = fresh()
    network.to(memory_format=torch.channels_last)
    training: TrainingSet = small_set(torch.float32)
    for _ in range(2):
        network(training.normalised(torch.arange(4)))[0].square().mean().backward()
        optimizer.step()
    rows = [{"epoch": 0, "loss": 0.1 + 0.2, "lr": 1e-17}, {"epoch": 1, "loss": float("inf"), "lr": 0.0}]
    best = {name: value + 1 for name, value in network.state_dict().items()}
    state = State(7, torch.tensor([1.5, 2.5, 3.5, 4.5], dtype=torch.float64), 2.5, rows, best)
    save_checkpoint(tmp_path, network, optimizer, state, resolve("cpu", "fp32", 1).facts())
    other, other_optimizer = fresh()
    other.to(memory_format=torch.channels_last)
    loaded = load_checkpoint(tmp_path, other, other_optimizer)
    assert loaded is not None
    found, facts = loaded
    assert facts == resolve("cpu", "fp32", 1).facts()
    assert same(other.state_dict(), network.state_dict())
    assert dataclasses.replace(found, totals=None, best={}) == dataclasses.replace(state, totals=None, best={})
    assert found.totals is not None
    assert torch.equal(found.totals, state.totals)
    assert same(found.best, best)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        mine, theirs = optimizer.state[one]["momentum_buffer"], other_optimizer.state[two]["momentum_buffer"]
        assert torch.equal(mine, theirs)
        assert mine.stride() == theirs.stride()  # the fused update goes through memory, not through indices
    assert any(value.stride() != value.contiguous().stride() for value in network.parameters())


def test_without_a_checkpoint_there_is_nothing_to_load(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, *fresh()) is None
    assert list(tmp_path.iterdir()) == []
