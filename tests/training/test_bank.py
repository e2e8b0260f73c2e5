"""A bank against its members trained alone by the loop: weights, history, resume, divergence."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import core
from augdistill import models
from augdistill.base.errors import StoppedError
from augdistill.losses import kd
from augdistill.losses.shared import distillation_loss
from augdistill.training.bank import BankTargets, Member, Trained, fit_bank
from augdistill.training.batches import Batch, TrainingSet
from augdistill.training.device import Device, resolve
from augdistill.training.loop import Hooks, Task, fit

RECIPE = {**core.LOOP_RECIPE, "epochs": 2, "clip_norm": 0.7, "warmup_epochs": 1.0, "lr": 0.05}
SEEDS = (3, 4, 9)


def network(name: str, seed: int, dtype: torch.dtype) -> nn.Module:
    if name == "drops":
        return core.small_model(name, dtype)
    return models.build(name, (1, 16, 16), 10, seed=seed).to(dtype)


def task(name: str, seed: int, dtype: torch.dtype = torch.float64, recipe: dict[str, Any] = RECIPE) -> Task:
    """Return a student of a teacher, an alpha and a temperature of its own; seed 4 learns from labels alone."""
    plain = core.small_set(dtype)
    taught = torch.randn(core.COUNT, 10, generator=torch.Generator().manual_seed(seed), dtype=dtype).softmax(1)
    training = TrainingSet(plain.images, plain.targets, plain.mean, plain.std, teacher=taught)

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        assert batch.teacher is not None
        return distillation_loss(logits, batch.targets, batch.teacher, *weights(seed), seed, kd.loss)

    return Task(network(name, seed, dtype), training, loss, [], recipe, seed, "student")


def alpha(seed: int) -> float:
    return 0.0 if seed == 4 else 1 / seed


def weights(seed: int) -> tuple[float, float]:
    return 1 - alpha(seed), alpha(seed)


def hooks(stop_after: int = 10**9) -> Hooks:
    asked = iter(range(1, 10**9))
    return Hooks(lambda model: {}, lambda epoch, row: None, lambda: next(asked) >= stop_after, "60min")


def bank(tasks: Sequence[Task], folder: Path, device: Device, stop_after: int = 10**9) -> list[Trained]:
    """Train the students together; each one's model is its task's."""
    first = tasks[0]
    members = [Member(task.model, task.training.teacher, weights(task.seed), task.seed, task.seed) for task in tasks]
    return fit_bank(members, first.training, first.recipe, kd.loss, device, folder, hooks(stop_after))


def without_time(rows: list[dict[str, float]]) -> list[list[float]]:
    return [[value for name, value in row.items() if name != "images_per_second"] for row in rows]


def furthest(one: Task, other: Task) -> float:
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return max(float((mine - theirs).abs().max()) for mine, theirs in pairs)


@pytest.fixture
def device() -> Device:
    return resolve("cpu", "fp32", 1)


@pytest.mark.parametrize(
    ("name", "seeds"), [("lenet", SEEDS), ("drops", SEEDS), pytest.param("alexnet", SEEDS[:2], marks=pytest.mark.slow)]
)
def test_members_are_the_students_that_they_are_alone(name: str, seeds: Sequence[int], device, tmp_path: Path) -> None:
    recipe = {**RECIPE, **({"epochs": 1, "clip_norm": 0.1} if name == "alexnet" else {})}
    together = [task(name, seed, recipe=recipe) for seed in seeds]
    found = bank(together, tmp_path, device)
    for member, seed, trained in zip(together, seeds, found, strict=True):
        alone = task(name, seed, recipe=recipe)
        before = task(name, seed, recipe=recipe)
        rows = fit(alone, device, tmp_path / "alone", hooks())
        assert furthest(member, alone) < 1e-10 < 1e-4 < furthest(alone, before)
        torch.testing.assert_close(without_time(trained.history), without_time(rows), rtol=0, atol=1e-10)
        assert trained.diverged is None
    assert any(row["clipped"] > 0 for trained in found for row in trained.history)


@pytest.mark.parametrize("name", ["lenet", "alexnet"])
def test_one_step_in_fp32(name: str, device, tmp_path: Path) -> None:
    recipe = {**RECIPE, "epochs": 1, "batch_size": core.COUNT, "warmup_epochs": 0.0}
    together = [task(name, seed, torch.float32, recipe) for seed in SEEDS[:2]]
    bank(together, tmp_path, device)
    for member, seed in zip(together, SEEDS, strict=False):
        alone = task(name, seed, torch.float32, recipe)
        fit(alone, device, tmp_path / "alone", hooks())
        assert furthest(member, alone) < 1e-6 < furthest(alone, task(name, seed, torch.float32, recipe))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("steps", [2, 4, 7])
def test_a_stopped_bank_goes_on_bit_by_bit(steps: int, dtype: torch.dtype, device, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    whole, stopped = ([task("lenet", seed, dtype) for seed in SEEDS] for _ in range(2))
    expected = bank(whole, tmp_path / "whole", device)
    (tmp_path / "stopped").mkdir()
    with pytest.raises(StoppedError, match=f"stopped at step {steps} with"):
        bank(stopped, tmp_path / "stopped", device, stop_after=steps)
    assert furthest(stopped[0], whole[0]) > 1e-4
    again = [task("lenet", seed, dtype) for seed in SEEDS]
    found = bank(again, tmp_path / "stopped", device)
    assert any(f"goes on from step {steps}," in line for line in caplog.messages)
    for one, other, mine, theirs in zip(again, whole, found, expected, strict=True):
        assert core.same(one.model.state_dict(), other.model.state_dict())
        assert without_time(mine.history) == without_time(theirs.history)


def test_a_member_that_diverges_leaves_the_others_alone(device, tmp_path: Path, monkeypatch) -> None:
    """The second member's loss is NaN in its second epoch: it stays as after its first, the others as without it."""
    whole, hurt = ([task("lenet", seed) for seed in SEEDS] for _ in range(2))
    expected = bank(whole, tmp_path / "whole", device)
    steps, healthy = [], BankTargets.losses

    def losses(self: BankTargets, logits: Tensor, rows: Tensor) -> Tensor:
        steps.append(1)
        return healthy(self, logits, rows) * torch.tensor([1, math.nan if len(steps) == 6 else 1, 1])[:, None]

    monkeypatch.setattr(BankTargets, "losses", losses)
    found = bank(hurt, tmp_path / "hurt", device)
    assert [trained.diverged for trained in found] == [None, 1, None]
    assert without_time(found[1].history) == without_time(expected[1].history[:1])
    assert all(value.isfinite().all() for value in hurt[1].model.state_dict().values())
    for index in (0, 2):
        assert core.same(hurt[index].model.state_dict(), whole[index].model.state_dict())
        assert without_time(found[index].history) == without_time(expected[index].history)


def test_what_is_told_is_the_mean_of_those_that_train(device, tmp_path: Path) -> None:
    tasks, told = [task("lenet", seed) for seed in SEEDS], []
    assert tasks[1].training.teacher is not None
    tasks[0], tasks[1] = tasks[1], tasks[0]  # seed 3 comes second
    tasks[1].training.teacher[5] = math.nan
    members = [Member(task.model, task.training.teacher, weights(task.seed), task.seed, task.seed) for task in tasks]
    listening = Hooks(lambda model: {}, lambda epoch, row: told.append(row), lambda: False, "60min")
    found = fit_bank(members, tasks[0].training, RECIPE, kd.loss, device, tmp_path, listening)
    assert [row["students"] for row in told] == [2, 2]
    assert told[1]["loss"] == pytest.approx((found[0].history[1]["loss"] + found[2].history[1]["loss"]) / 2)


class Precisions(TorchDispatchMode):
    """Notes the operands of convolutions and products, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, torch.dtype]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func.overloadpacket).removeprefix("aten.")
        if name in ("convolution", "convolution_backward", "bmm", "baddbmm", "mm", "addmm"):
            self.seen |= {(name, value.dtype) for value in args if isinstance(value, Tensor)}
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["lenet", pytest.param("alexnet", marks=pytest.mark.long)])
def test_in_bf16_all_that_is_costly_is_in_bf16_and_members_round_as_they_do_alone(name: str, tmp_path: Path) -> None:
    device = resolve("cpu", "bf16", 1)
    recipe = {**RECIPE, "epochs": 1, "batch_size": core.COUNT, "warmup_epochs": 0.0}
    alone, together = ([task(name, seed, torch.float32, recipe) for seed in SEEDS[:2]] for _ in range(2))
    for number, one in enumerate(alone):
        fit(one, device, tmp_path / str(number), hooks())
    with Precisions() as precisions:
        bank(together, tmp_path / "bank", device)
    assert {"convolution", "convolution_backward"} < {called for called, _ in precisions.seen}
    assert {dtype for _, dtype in precisions.seen} == {torch.bfloat16}
    for one, other, seed in zip(alone, together, SEEDS, strict=False):
        moved = furthest(one, task(name, seed, torch.float32, recipe))
        assert 0 < furthest(one, other) < 0.05 * moved
