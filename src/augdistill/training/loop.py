"""The one loop: it trains teachers and students alike, and reads from top to bottom."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from augdistill.base.checks import checkpoint_every
from augdistill.base.errors import DivergedError, RunError, StoppedError, as_work_error
from augdistill.base.seeds import derive
from augdistill.base.text import removal
from augdistill.training.batches import (
    Batch,
    EpochPlan,
    Ops,
    TrainingSet,
    batch_at,
    batch_sizes,
    plan_epoch,
    warn_of_small_batch,
)
from augdistill.training.checkpoint import State, load_checkpoint, save_checkpoint
from augdistill.training.device import Device
from augdistill.training.graphs import stepper
from augdistill.training.sgd import learning_rate, sgd

log = logging.getLogger(__name__)

# What selects an epoch -> the column of its row that does, and the sign with which larger is better.
SELECTED_BY = {"best-test-accuracy": ("test_accuracy", 1), "best-test-loss": ("test_loss", -1)}
# What a loss returns: [3] total, cross-entropy and KD term, each a mean over the batch.
Loss = Callable[[Tensor, Batch], Tensor]


@dataclass(frozen=True)
class Task:
    """What is trained on what, by which recipe (the `optim` group), from which seed."""

    model: nn.Module
    training: TrainingSet
    loss: Loss
    ops: Ops
    recipe: dict[str, Any]
    seed: int
    role: str
    own_view: bool = False  # the teacher sees the batch through draws of its own


@dataclass(frozen=True)
class Hooks:
    """What the loop asks and reports while it runs: accuracies after an epoch, each epoch's row, whether to stop."""

    score: Callable[[nn.Module], dict[str, float]]
    report: Callable[[int, dict[str, float]], None]
    stop: Callable[[], bool]
    checkpoint_every: str  # "5min", also within an epoch, or "1epoch"
    pace: Callable[[int, int], None] | None = None  # told, after each step, its number and that of all
    track: Callable[[list[dict[str, float]]], None] | None = None  # told all epochs' rows, at first and after each


@dataclass(frozen=True)
class Work:
    """What one network that trains is, a student alone or a bank, and what becomes of its epochs.

    `step` takes a step, given what all share; `plan` draws an epoch; `end` takes in its means [...,4]
    and last rate. Dropout's key is `key` plus the step's number. `members` is (K,) of a bank, which no loss ends.
    """

    network: nn.Module
    images: int
    dtype: torch.dtype
    recipe: dict[str, Any]
    step: Callable[[torch.optim.SGD, "StepBuffers", Device, EpochPlan, slice | Tensor], None]
    plan: Callable[[int], EpochPlan]
    end: Callable[[State, int, Tensor, float], None]
    key: int = 0
    members: tuple[int, ...] = ()


def train(work: Work, device: Device, folder: Path, hooks: Hooks) -> State:
    """Train a network in place, from the newest checkpoint in `folder` on, and return the state at the end.

    Raises StoppedError, after a checkpoint, when asked to stop, and what `work.end` raises.
    """
    network, recipe = work.network, work.recipe
    optimizer = sgd(network, recipe)
    state = resume(folder, network, optimizer, device)
    if hooks.track is not None:
        hooks.track(state.history)
    steps = len(batch_sizes(work.images, recipe["batch_size"]))
    buffers = StepBuffers.on(device, work.dtype, *work.members)
    optimizer.param_groups[0]["lr"] = buffers.rate
    changed = partial(mutable_state, network, optimizer, buffers)
    take = stepper(partial(work.step, optimizer, buffers, device), changed, device)
    saved, (minutes, epochs) = time.monotonic(), checkpoint_every(hooks.checkpoint_every)

    def save_if_due(ended: int | None = None) -> None:
        nonlocal saved
        if hooks.pace is not None:
            hooks.pace(state.step, recipe["epochs"] * steps)
        is_due = time.monotonic() - saved >= 60 * minutes or (ended is not None and (ended + 1) % epochs == 0)
        if (stopping := hooks.stop()) or is_due:
            if state.totals is not None and not work.members:
                check_finite(float(state.totals[0]) / work.images, state.history)
            save_checkpoint(folder, network, optimizer, state, device.facts())
            saved = time.monotonic()
        if stopping:
            raise StoppedError(f"stopped at step {state.step} with everything saved: the same command goes on")

    while state.step < recipe["epochs"] * steps and not is_good_enough(recipe, state.history):
        epoch = state.step // steps
        plan = work.plan(epoch)
        network.train()
        sums, rate = take_epoch(take, plan, buffers, state, recipe, work.key, save_if_due)
        work.end(state, epoch, sums / sums.new_tensor([*3 * [work.images], steps]), rate)  # of images, clipped steps
        if hooks.track is not None:
            hooks.track(state.history)
        save_if_due(ended=epoch)
    return state


def fit(task: Task, device: Device, folder: Path, hooks: Hooks) -> list[dict[str, float]]:
    """Train `task.model` in place and return its history, one row per epoch.

    Goes on from the newest checkpoint in `folder`. The dtype of the targets is that of the loss. Raises DivergedError
    when an epoch's loss or the weights are not finite (the checkpoints before that stay), and StoppedError, after a
    checkpoint, when asked to stop.
    """
    model, training, recipe = task.model, task.training, task.recipe
    warn_of_small_batch(model, len(training), recipe["batch_size"])

    def end(state: State, epoch: int, means: Tensor, rate: float) -> None:
        row = epoch_row(epoch, means.tolist(), recipe, rate)
        row["images_per_second"] = round(len(training) / state.seconds, 1)
        check_finite(row["loss"], state.history)
        state.totals, state.seconds = None, 0.0
        row |= hooks.score(model)
        keep_best(state, model, recipe, row)
        state.history.append(row)
        hooks.report(epoch, row)

    key = derive(task.seed, task.role, "dropout") >> 1
    own = (training.targets.dtype, recipe, partial(step, task), partial(plan_of, task), end, key)
    state = train(Work(model, len(training), *own), device, folder, hooks)
    if state.best:
        model.load_state_dict(state.best)
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise DivergedError("the weights of the last epoch are not finite: a lower optim.lr may train", state.history)
    return state.history


@as_work_error("a smaller optim.batch_size needs less")
def take_epoch(
    take: Callable[[EpochPlan, int], None],
    plan: EpochPlan,
    buffers: "StepBuffers",
    state: State,
    recipe: dict[str, Any],
    key: int,
    save_if_due: Callable[[], None],
) -> tuple[Tensor, float]:
    """Take an epoch's steps, from where `state` stands, and return its sums, read once at the end, and the last rate.

    Dropout's key is `key` plus the step's number.
    """
    steps = len(plan.offsets) - 1
    if state.totals is None:
        buffers.totals.zero_()
    else:
        buffers.totals.copy_(state.totals)
    state.totals, began = buffers.totals, time.monotonic() - state.seconds
    for index in range(state.step % steps, steps):
        rate = learning_rate(recipe, state.step, steps)
        buffers.rate.fill_(rate)
        buffers.key.fill_(key + state.step)
        take(plan, index)
        state.step += 1
        state.seconds = time.monotonic() - began
        if index + 1 < steps:
            save_if_due()
    sums = buffers.totals.cpu()
    state.seconds = time.monotonic() - began  # the device's work too, for which the sums had to wait
    return sums, rate


@dataclass(frozen=True)
class StepBuffers:
    """What differs from step to step, in tensors that stay in place: rate, dropout's key, the epoch's sums [4].

    In a bank of K the sums are [K,4].
    """

    rate: Tensor
    key: Tensor
    totals: Tensor

    @classmethod
    def on(cls, device: Device, dtype: torch.dtype, *members: int) -> "StepBuffers":
        # SGD's fused kernel reads a rate on the GPU as fp32; on a CPU fp64 holds the very number of the schedule.
        precise = torch.float32 if device.device.type == "cuda" else torch.float64
        zeros = partial(torch.zeros, device=device.device)
        return cls(zeros((), dtype=precise), zeros((), dtype=torch.int64), zeros(*members, 4, dtype=dtype))


def plan_of(task: Task, epoch: int) -> EpochPlan:
    """Return the plan of an epoch of a task."""
    size = task.recipe["batch_size"]
    return plan_epoch(task.training, task.ops, task.seed, task.role, epoch, size, task.own_view)


def step(
    task: Task, optimizer: torch.optim.SGD, buffers: StepBuffers, device: Device, plan: EpochPlan, part: slice | Tensor
) -> None:
    """Take one step, on the batch at `part` of an epoch's plan.

    All that it reads and another step would not is in tensors, and it waits for none of them: it can be replayed.
    """
    batch = batch_at(task.training, task.ops, plan, part)
    optimizer.zero_grad()
    with device.autocast():
        logits, _ = task.model(batch.images, buffers.key)
    losses = task.loss(logits.to(buffers.totals.dtype), batch)
    losses[0].backward()  # type: ignore[no-untyped-call]  # PyTorch does not say what it returns
    clipped = clip(task.model, task.recipe["clip_norm"])
    optimizer.step()
    buffers.totals.add_(torch.cat([losses.detach() * batch.count, clipped[None]]))


def mutable_state(model: nn.Module, optimizer: torch.optim.SGD, buffers: StepBuffers) -> list[list[Tensor]]:
    """Return what a step changes: weights, batch statistics, momentum, the epoch's sums."""
    momentum = [optimizer.state[value].get("momentum_buffer") for value in model.parameters()]
    weights = [value.detach() for value in model.parameters()]
    return [weights, list(model.buffers()), [value for value in momentum if value is not None], [buffers.totals]]


def check_finite(loss: float, history: list[dict[str, float]]) -> None:
    """Raise DivergedError for a loss that is NaN or infinite; once it is, the epoch's mean stays so."""
    if not math.isfinite(loss):
        told = f"the training loss is {loss} in epoch {len(history)}: a lower optim.lr may train"
        raise DivergedError(told, history)


def resume(folder: Path, model: nn.Module, optimizer: torch.optim.SGD, device: Device) -> State:
    """Return the state of the newest checkpoint, or a fresh one; a run goes on only as it began."""
    loaded = load_checkpoint(folder, model, optimizer)
    if loaded is None:
        return State()
    state, facts = loaded
    for key in ("device", "precision", "threads"):
        if facts[key] != device.facts()[key]:
            # Only `auto` can mean two precisions, and typing one out would name another run.
            remedy = "go on where auto means that" if key == "precision" else f"type runtime.{key}={facts[key]}"
            raise RunError(
                f"{folder.name} began with runtime.{key}={facts[key]}, now {device.facts()[key]}: "
                f"{remedy}, or begin again after {removal(folder)}"
            )
    log.info("%s goes on from step %d, in epoch %d", folder.name, state.step, len(state.history) + 1)
    return state


def clip(model: nn.Module, norm: float | None) -> Tensor:
    """Scale gradients down to a total norm of at most `norm`; return 1 if it was larger, else 0, without a sync."""
    if norm is None:
        return torch.zeros((), device=next(model.parameters()).device)
    total = nn.utils.clip_grad_norm_(model.parameters(), norm)
    return (total > norm).float()


def epoch_row(epoch: int, means: list[float], recipe: dict[str, Any], lr: float) -> dict[str, float]:
    """Return a finished epoch's row of the history: loss and its parts, last rate, share of clipped steps."""
    loss, cross_entropy, kd, clipped = means
    row = {"epoch": epoch, "loss": loss, "ce": cross_entropy, "kd": kd, "lr": lr}
    return row if recipe["clip_norm"] is None else row | {"clipped": clipped}


def is_good_enough(recipe: dict[str, Any], history: list[dict[str, float]]) -> bool:
    """Return whether the last epoch reached the validation accuracy at which the recipe stops, if it has one."""
    target = recipe["stop_accuracy"]
    return target is not None and bool(history) and history[-1]["validation_accuracy"] >= target


def keep_best(state: State, model: nn.Module, recipe: dict[str, Any], row: dict[str, float]) -> None:
    """Where the test set selects, remember the weights of the best epoch so far: the first of equals, no NaN."""
    if recipe["select"] == "last":
        return
    name, sign = SELECTED_BY[recipe["select"]]
    score = sign * row[name]
    if not math.isnan(score) and not any(sign * before[name] >= score for before in state.history):
        state.best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
