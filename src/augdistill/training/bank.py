"""Banks: K students that differ in seed, teacher, T or alpha, trained as one model whose weights are stacked.

Each member keeps the order, draws, dropout and clipping that it has alone; losses are summed, never averaged, so that
its gradients are its own. Nothing that one member does reaches another, a loss that turns NaN neither.
"""

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from augdistill.config import checkpoint_every
from augdistill.errors import StoppedError
from augdistill.seeds import derive
from augdistill.training.batches import EpochPlan, batch_sizes, make_batch, plan_epoch
from augdistill.training.checkpoint import State, save_checkpoint
from augdistill.training.device import Device
from augdistill.training.loop import Hooks, Task, epoch_row, learning_rate, resume, sgd


@dataclass(frozen=True)
class Trained:
    """What became of a member: its rows, and the epoch in which it diverged, None if it did not."""

    history: list[dict[str, float]] = field(default_factory=list)
    diverged: int | None = None


class Bank(nn.Module):
    """K models as one: parameters [K,...] under their own names; `forward` takes images [K,B,C,H,W] and keys [K]."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        assert not any(list(model.buffers()) for model in models), "batch statistics are not stacked"
        self.stacked = copy.deepcopy(models[0])
        states = [dict(model.named_parameters()) for model in models]
        for name, value in self.stacked.named_parameters():
            value.data = torch.stack([state[name].detach() for state in states])

    def forward(self, images: Tensor, keys: Tensor) -> Tensor:
        """Return the members' logits [K,B,classes]."""

        def member(weights: dict[str, Tensor], its_images: Tensor, key: Tensor) -> Tensor:
            logits: Tensor = functional_call(self.stacked, weights, (its_images, key))[0]
            return logits

        logits: Tensor = vmap(member)(dict(self.stacked.named_parameters()), images, keys)
        return logits

    def member(self, index: int) -> dict[str, Tensor]:
        """Return the weights of one member by name."""
        return {name: value[index].detach() for name, value in self.stacked.named_parameters()}


def fit_bank(tasks: Sequence[Task], device: Device, folder: Path, hooks: Sequence[Hooks]) -> list[Trained]:
    """Train the tasks' models in place, as `fit` does one by one, and return what became of each.

    All have the same recipe, model and number of images. Goes on from the bank's newest checkpoint in `folder`. A
    member whose loss is no longer finite is told as diverged and left as it was before; the others go on. Raises
    StoppedError, after a checkpoint, when the first task's hook asks to stop.
    """
    recipe, count, dtype = tasks[0].recipe, len(tasks[0].training), tasks[0].training.targets.dtype
    assert all(task.recipe == recipe and len(task.training) == count for task in tasks)
    assert (recipe["select"], recipe["stop_accuracy"]) == ("last", None), (
        "members end together, with their last weights"
    )
    bank = Bank([task.model for task in tasks])
    optimizer = sgd(bank, recipe)
    state = resume(folder, bank, optimizer, device)
    sizes = batch_sizes(count, recipe["batch_size"])
    keys = torch.tensor([derive(task.seed, task.role, "dropout") >> 1 for task in tasks], device=device.device)
    saved, (minutes, epochs) = time.monotonic(), checkpoint_every(hooks[0].checkpoint_every)

    def save_if_due(ended: int | None = None) -> None:
        nonlocal saved
        is_due = time.monotonic() - saved >= 60 * minutes or (ended is not None and (ended + 1) % epochs == 0)
        if (stopping := hooks[0].stop()) or is_due:
            save_checkpoint(folder, bank, optimizer, state, device.facts())
            saved = time.monotonic()
        if stopping:
            raise StoppedError(f"stopped at step {state.step} with everything saved: the same command goes on")

    while state.step < recipe["epochs"] * len(sizes):
        epoch, first = divmod(state.step, len(sizes))
        plans = [plan_epoch(t.training, t.ops, t.seed, t.role, epoch, recipe["batch_size"], t.own_view) for t in tasks]
        totals = torch.zeros(len(tasks), 4, dtype=dtype) if state.totals is None else state.totals
        totals = state.totals = totals.to(device.device)
        began = time.monotonic() - state.seconds
        for index in range(first, len(sizes)):
            optimizer.param_groups[0]["lr"] = learning_rate(recipe, state.step, len(sizes))
            totals += step(bank, optimizer, tasks, plans, index, keys + state.step, device) * sizes[index]
            state.step += 1
            state.seconds = time.monotonic() - began
            if index + 1 < len(sizes):
                save_if_due()
        end_epoch(bank, tasks, hooks, state, epoch, optimizer.param_groups[0]["lr"], time.monotonic() - began)
        save_if_due(ended=epoch)
    return [outcome(bank, task, state, index) for index, task in enumerate(tasks)]


def step(
    bank: Bank,
    optimizer: torch.optim.SGD,
    tasks: Sequence[Task],
    plans: Sequence[EpochPlan],
    index: int,
    keys: Tensor,
    device: Device,
) -> Tensor:
    """Take one step of every member and return [K,4]: its loss, the loss's two parts, whether it was clipped."""
    batches = [make_batch(task.training, task.ops, plan, index) for task, plan in zip(tasks, plans, strict=True)]
    optimizer.zero_grad()
    bank.train()
    with device.autocast():
        logits = bank(torch.stack([batch.images for batch in batches]), keys)
    together = zip(tasks, batches, logits, strict=True)
    losses = torch.stack([task.loss(own.to(batch.targets.dtype), batch) for task, batch, own in together])
    losses[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    clipped = clip_members(bank, len(tasks), tasks[0].recipe["clip_norm"])
    optimizer.step()
    return torch.cat([losses.detach(), clipped.to(losses.dtype)[:, None]], dim=1)


def clip_members(bank: Bank, count: int, norm: float | None) -> Tensor:
    """Scale each member's gradients down to a total norm of at most `norm`; return [K], 1 where it was larger."""
    gradients = [value.grad for value in bank.parameters() if value.grad is not None]
    if norm is None:
        return torch.zeros(count, device=gradients[0].device)
    norms = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])
    total: Tensor = torch.linalg.vector_norm(norms, dim=0)
    scale = (norm / (total + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))
    return (total > norm).float()


def end_epoch(
    bank: Bank, tasks: Sequence[Task], hooks: Sequence[Hooks], state: State, epoch: int, lr: float, seconds: float
) -> None:
    """Write down, score and tell an epoch of every member that has not diverged, in it or before."""
    assert state.totals is not None
    count = len(tasks[0].training)
    for index, (means, task, its) in enumerate(zip((state.totals / count).tolist(), tasks, hooks, strict=True)):
        if len(rows_of(state, index)) < epoch or not math.isfinite(means[0]):
            continue
        row: dict[str, Any] = epoch_row(epoch, means, task.recipe, lr)
        row["images_per_second"] = round(len(tasks) * count / seconds, 1)
        task.model.load_state_dict(bank.member(index))
        row |= its.score(task.model)
        state.history.append({"member": index, **row})
        its.tell(epoch, row)
    state.totals, state.seconds = None, 0.0


def rows_of(state: State, index: int) -> list[dict[str, float]]:
    """Return the history of one member."""
    return [{key: row[key] for key in row if key != "member"} for row in state.history if row["member"] == index]


def outcome(bank: Bank, task: Task, state: State, index: int) -> Trained:
    """Put a member's last weights into its model and return what became of it."""
    history, weights = rows_of(state, index), bank.member(index)
    if len(history) < task.recipe["epochs"] or not all(value.isfinite().all() for value in weights.values()):
        return Trained(history, min(len(history), task.recipe["epochs"] - 1))
    task.model.load_state_dict(weights)
    return Trained(history)
