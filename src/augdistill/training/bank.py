"""Banks: K students that differ in seed, teacher, T or alpha, trained as one model whose weights are stacked.

Each member keeps the order, dropout and clipping that it has alone; losses are summed, never averaged, so that its
gradients are its own. Nothing that one member does reaches another, a loss that turns NaN neither.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from augdistill.base.seeds import derive
from augdistill.losses.shared import Term, distillation_loss
from augdistill.models.pooling import MaxPool2x2
from augdistill.training.batches import EpochPlan, TrainingSet, plan_epoch
from augdistill.training.checkpoint import State
from augdistill.training.device import Device
from augdistill.training.loop import Hooks, StepBuffers, Work, epoch_row, train

ROLE = "student"


@dataclass(frozen=True)
class Member:
    """A student: its untrained model, what its teacher says [N,C], None without one, its weights, T, its seed.

    `weights` are those of the label's cross-entropy and of the teacher's term.
    """

    model: nn.Module
    teacher: Tensor | None
    weights: tuple[float, float]
    temperature: float
    seed: int


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
        for module in self.stacked.modules():
            if isinstance(module, MaxPool2x2):
                module.use_fast_path = False

    def forward(self, images: Tensor, keys: Tensor) -> Tensor:
        """Return the members' logits [K,B,classes].

        Under vmap, autocast reaches products but no convolutions, so what it would cast is cast before.
        """
        kind = images.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else images.dtype
        weights = {name: value.to(dtype) for name, value in self.stacked.named_parameters()}

        def member(its_weights: dict[str, Tensor], its_images: Tensor, key: Tensor) -> Tensor:
            logits: Tensor = functional_call(self.stacked, its_weights, (its_images, key))[0]
            return logits

        with torch.autocast(kind, enabled=False):
            logits: Tensor = vmap(member)(weights, images.to(dtype), keys)
        return logits

    def member(self, index: int) -> dict[str, Tensor]:
        """Return the weights of one member by name."""
        return {name: value[index].detach() for name, value in self.stacked.named_parameters()}


def fit_bank(
    members: Sequence[Member],
    training: TrainingSet,
    recipe: dict[str, Any],
    term: Term,
    device: Device,
    folder: Path,
    hooks: Hooks,
) -> list[Trained]:
    """Train the members' models in place, each as `fit` trains it alone, and return what became of each.

    `term` is the student loss of each. All see the images and targets of `training`, each in its own order. Goes on
    from the newest checkpoint in `folder`. A member whose loss is no longer finite is reported as diverged and left as
    it was before; the others go on. Each epoch's row that the hooks report is the mean of those that do. Raises
    StoppedError, after a checkpoint, when asked to stop.
    """
    assert (recipe["select"], recipe["stop_accuracy"]) == ("last", None), "all end at once, with their last weights"
    bank, targets = Bank([member.model for member in members]), BankTargets.of(members, training.targets, term, device)

    def take(
        optimizer: torch.optim.SGD, buffers: StepBuffers, device: Device, plan: EpochPlan, part: slice | Tensor
    ) -> None:
        step(bank, optimizer, training, targets, recipe, buffers, device, plan, part)

    def end(state: State, epoch: int, means: Tensor, rate: float) -> None:
        speed = round(len(members) * len(training) / state.seconds, 1)
        rows = [{**epoch_row(epoch, its, recipe, rate), "images_per_second": speed} for its in means.tolist()]
        end_epoch(bank, members, hooks, state, rows)

    plan = partial(plan_together, members, training, batch_size=recipe["batch_size"])
    work = Work(bank, len(training), targets.labels.dtype, recipe, take, plan, end, members=(len(members),))
    state = train(work, device, folder, hooks)
    return [outcome(bank, member, state, recipe["epochs"], index) for index, member in enumerate(members)]


@dataclass(frozen=True)
class BankTargets:
    """What the members learn from, on the device: the labels' targets [N,C] of all, their teachers' [K,N,C].

    `numbers` [3,K] are the weights of label and teacher and T, `keys` [K] those of dropout. A member without a teacher
    has a uniform one, and its part in `has_parts` [K,3] is 0; all others are 1.
    """

    labels: Tensor
    teachers: Tensor
    numbers: Tensor
    has_parts: Tensor
    keys: Tensor
    term: Term

    @classmethod
    def of(cls, members: Sequence[Member], targets: Tensor, term: Term, device: Device) -> "BankTargets":
        none = torch.full_like(targets, 1 / targets.shape[1])
        teachers = torch.stack([none if member.teacher is None else member.teacher for member in members])
        values = [[*member.weights, member.temperature] for member in members]
        numbers = torch.tensor(values, dtype=targets.dtype, device=device.device).T
        keys = torch.tensor([derive(member.seed, ROLE, "dropout") >> 1 for member in members], device=device.device)
        parts = [[1, 1, float(member.teacher is not None)] for member in members]
        has_parts = torch.tensor(parts, dtype=targets.dtype, device=device.device)
        return cls(targets, teachers, numbers, has_parts, keys, term)

    def losses(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return each member's loss and its two parts [K,3] for logits [K,B,C] on images `rows` [K,B]."""
        own = torch.arange(len(rows), device=rows.device)[:, None]
        loss = vmap(partial(distillation_loss, term=self.term))
        found: Tensor = loss(logits.to(self.labels.dtype), self.labels[rows], self.teachers[own, rows], *self.numbers)
        return found * self.has_parts


def plan_together(members: Sequence[Member], training: TrainingSet, epoch: int, batch_size: int) -> EpochPlan:
    """Return an epoch's plan whose order [K,N] is that in which each member would see the images alone."""
    plans = [plan_epoch(training, [], member.seed, ROLE, epoch, batch_size, False) for member in members]
    return EpochPlan(torch.stack([plan.order for plan in plans]), plans[0].offsets, [], None)


def step(
    bank: Bank,
    optimizer: torch.optim.SGD,
    training: TrainingSet,
    targets: BankTargets,
    recipe: dict[str, Any],
    buffers: StepBuffers,
    device: Device,
    plan: EpochPlan,
    part: slice | Tensor,
) -> None:
    """Take one step of every member, on the batches at `part` of an epoch's plan; it can be replayed as the loop's."""
    rows = plan.order[:, part]
    images = training.normalised(rows.flatten())
    optimizer.zero_grad()
    with device.autocast():
        logits = bank(images.view(*rows.shape, *images.shape[1:]), targets.keys + buffers.key)
    losses = targets.losses(logits, rows)
    losses[:, 0].sum().backward()  # type: ignore[no-untyped-call]  # PyTorch does not say what it returns
    clipped = clip_members(bank, len(rows), recipe["clip_norm"])
    optimizer.step()
    buffers.totals.add_(torch.cat([losses.detach() * rows.shape[1], clipped.to(losses.dtype)[:, None]], dim=1))


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


def end_epoch(bank: Bank, members: Sequence[Member], hooks: Hooks, state: State, rows: list[dict[str, float]]) -> None:
    """Write down and score the epoch's row of every member that has not diverged, and report their mean."""
    going = []
    for index, (row, member) in enumerate(zip(rows, members, strict=True)):
        if len(rows_of(state, index)) < row["epoch"] or not math.isfinite(row["loss"]):
            continue
        member.model.load_state_dict(bank.member(index))
        row |= hooks.score(member.model)
        state.history.append({"member": index, **row})
        going.append(row)
    state.totals, state.seconds = None, 0.0
    if going:
        mean = {name: sum(row[name] for row in going) / len(going) for name in going[0]}
        hooks.report(int(rows[0]["epoch"]), {**mean, "students": len(going)})


def rows_of(state: State, index: int) -> list[dict[str, float]]:
    """Return the history of one member."""
    return member_rows(state.history, index)


def member_rows(history: Sequence[dict[str, float]], index: int) -> list[dict[str, float]]:
    """Return the rows of one member, of those of all."""
    return [{key: row[key] for key in row if key != "member"} for row in history if row["member"] == index]


def outcome(bank: Bank, member: Member, state: State, epochs: int, index: int) -> Trained:
    """Put a member's last weights into its model and return what became of it."""
    history, weights = rows_of(state, index), bank.member(index)
    if len(history) < epochs or not all(value.isfinite().all() for value in weights.values()):
        return Trained(history, min(len(history), epochs - 1))
    member.model.load_state_dict(weights)
    return Trained(history)
