"""Distil a student from a finished teacher, or train it on labels alone (alpha = 0): the control."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augdistill import losses
from augdistill.base import signals
from augdistill.base.errors import DivergedError
from augdistill.base.status import COLLAPSED
from augdistill.base.text import now
from augdistill.config.groups import Distillation
from augdistill.config.jobs import StudentConfig
from augdistill.losses.shared import Term, distillation_loss, loss_dtype
from augdistill.losses.soft_targets import class_means, ensemble_logits, logit_sd, teacher_probabilities, zscore
from augdistill.metrics import Teacher
from augdistill.metrics.health import health
from augdistill.stages import common, fidelity, folders, making, names, outputs
from augdistill.stages.parents import with_parents, with_teacher
from augdistill.stages.refusals import validate, validate_values
from augdistill.store.identity import Ref, reference_of, student_ref
from augdistill.store.runs import Run, RunStore
from augdistill.trackers import Tracking
from augdistill.training.batches import Batch, TrainingSet, one_hot
from augdistill.training.checkpoint import drop_checkpoints
from augdistill.training.device import Device
from augdistill.training.loop import Loss, Task, fit

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResolvedStudent:
    """A student that is not there yet: its config with all that its teacher decides, the runs it needs, its name."""

    config: StudentConfig
    parents: dict[str, Run]
    ref: Ref


def run(config: StudentConfig, wait: bool = True, planned: str | None = None, trackers: Sequence[str] = ()) -> Run:
    """Return the finished student of a config, distilling it if it is not there yet.

    Raises RunError, saying which command makes it, if its teacher is missing, unfinished or of other data.
    """
    device = common.device_of(config.runtime)
    validate_values(config)
    store = RunStore(Path(config.outputs))
    resolved = named(config, store, planned)
    header = validate(resolved.config)

    def make(folder: Path) -> Run:
        with (
            signals.stop_on_signal() as stop,
            making.tracking(trackers, resolved.ref, resolved.config, store) as track,
        ):
            made = train(resolved, store, folder, device, stop, track)
            track.status = made.status
        return made

    return making.find_or_make(
        resolved.ref, store, wait, planned, make, lambda: names.test_sets(resolved.config, header)
    )


def named(config: StudentConfig, store: RunStore, planned: str | None) -> ResolvedStudent:
    """Return the student of a config; DataError if it is not the one that was planned."""
    config, parents = with_parents(config, store)
    taught_by = parents.get("teacher")
    alone, called = (taught_by.ref, taught_by.imported_name) if taught_by else (None, None)
    members = [] if taught_by else [run.ref for run in parents.values()]
    ref = student_ref(config, names.dataset_header(config).fingerprint, alone, called, members)
    names.check_planned(ref, planned)
    return ResolvedStudent(config, parents, ref)


def train(
    resolved: ResolvedStudent,
    store: RunStore,
    folder: Path,
    device: Device,
    stop: signals.StopRequest,
    track: Tracking | None = None,
) -> Run:
    """Distil and publish the student in its folder."""
    began, clock, config = now(), time.monotonic(), resolved.config
    data = common.train_val_split(config, resolved.ref.document["data"], device)
    model = untrained(resolved, data, device)
    training, loss = training_inputs(resolved, data, device)
    log.info("%s: %d images, %s", resolved.ref.folder, len(training), common.describe_device(device))
    task = Task(
        model=model,
        training=training,
        loss=loss,
        ops=config.student_aug.listed(),
        recipe=config.optim.plain(),
        seed=config.seed,
        role="student",
        own_view=bool(resolved.parents) and config.distillation.view == "independent",
    )
    several = f"{len(resolved.parents)} teachers" if resolved.parents else "labels"
    arm = taught_by.imported_name or config.aug.name if (taught_by := resolved.parents.get("teacher")) else several
    hooks = making.hooks_of(config, data, device, f"{config.student.name} from {arm}", stop, track)
    diverged, history = "", []
    try:
        history = fit(task, device, folder, hooks)
    except DivergedError as error:
        diverged, history = str(error), error.history
    made = folders.RunTiming(device, began, time.monotonic() - clock)
    run = publish(resolved, data, model, history, diverged, made, store)
    if not diverged:
        drop_checkpoints(folder)
    return run


def untrained(resolved: ResolvedStudent, data: common.TrainValSplit, device: Device) -> nn.Module:
    """Return the student as it begins, on the device."""
    header = data.images.header
    return common.placed(making.build(resolved.config, header.shape, len(header.classes)), device)


def publish(
    resolved: ResolvedStudent,
    data: common.TrainValSplit,
    model: nn.Module,
    history: list[dict[str, float]],
    diverged: str,
    made: folders.RunTiming,
    store: RunStore,
) -> Run:
    """Save, examine and publish a trained student; `diverged` says why it did, and is empty if it did not."""
    config, folder = resolved.config, store.folder(resolved.ref)
    found: dict[str, Any] = {}
    if diverged:
        log.error("%s diverged: %s", resolved.ref.folder, diverged)
    else:
        folders.save_weights(folder, model)
        folders.save_validation(folder, model, data.held_out, made.device)
        logits, found = fidelity.examine(model, data.training, made.device)
        if resolved.parents:
            stored = stored_logits(resolved, data, made.device)
            teacher = Teacher(stored.cpu().numpy(), config.distillation.temperature)
            says = teacher_says(resolved, data, stored, made.device)
            found["distillation"] = fidelity.on_training_images(logits, data.training.labels, teacher, says)
        word = health(found["training_accuracy"], found["dead_units"], len(data.images.header.classes))
        found["collapsed"] = word == COLLAPSED
        if word:
            log.warning(
                "%s %s: training accuracy %.1f %%, %.0f %% of the penultimate units dead",
                resolved.ref.folder,
                "collapsed" if found["collapsed"] else f"has {word}",
                100 * found["training_accuracy"],
                100 * found["dead_units"],
            )
    parents, header = {part: run.path.name for part, run in resolved.parents.items()}, data.images.header
    own = (resolved.ref, config, header, history, made, parents)
    return folders.publish_model(store, *own, diverged=bool(diverged), **found)


def training_inputs(resolved: ResolvedStudent, data: common.TrainValSplit, device: Device) -> tuple[TrainingSet, Loss]:
    """Return what the student sees and how it is scored, for each `distillation.view`.

    Where the teacher's outputs are data, they stand beside the one-hot labels and are mixed as these are; where the
    teacher must see the batch itself, it runs live. Class means are data always.
    """
    part, distillation = data.training, resolved.config.distillation
    classes = len(part.header.classes)
    targets = one_hot(part.labels, classes, loss_dtype(distillation.temperature) if resolved.parents else torch.float32)
    loss: Loss = common.label_loss
    teacher_says: Tensor | None = None
    sees_the_batch = distillation.view != "clean" and distillation.transform != "class-mean"
    if resolved.parents and resolved.config.student_aug.ops and sees_the_batch:
        soften = teacher_logits(resolved, data, device)[1]
        model = outputs.load(resolved.config, resolved.parents["teacher"], data.images, device)
        loss = loss_of(distillation, lambda batch: soften(live_logits(model, batch, device)))
    elif resolved.parents:
        teacher_says = soft_targets(resolved, data, device)
        loss = loss_of(distillation, from_data)
    augmented = bool(resolved.config.student_aug.ops)
    both = augmented and distillation.inputs == "both"
    finds_mixed = augmented and bool(resolved.parents) and distillation.mixed_labels == "teacher-only"
    how = (device.memory_format, teacher_says, both, finds_mixed)
    return TrainingSet(part.images, targets, part.mean, part.std, *how), loss


def soft_targets(resolved: ResolvedStudent, data: common.TrainValSplit, device: Device) -> Tensor:
    """Return the probabilities at T, or the logits, [N,K] that a student with a teacher learns from, as data."""
    stored, soften = teacher_logits(resolved, data, device)
    if resolved.config.distillation.transform == "class-mean":
        return class_means(soften(stored), data.training.labels)
    return soften(stored)


def teacher_logits(
    resolved: ResolvedStudent, data: common.TrainValSplit, device: Device
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the teacher's stored logits [N,K] on the images that train, and what turns logits into probabilities."""
    config, logits = resolved.config, stored_logits(resolved, data, device)
    return logits, make_soft_targets(config.distillation, logits, reference_sd(config, data.rows))


def stored_logits(resolved: ResolvedStudent, data: common.TrainValSplit, device: Device) -> Tensor:
    """Return the logits [N,K] of the teacher, or of several as one, on the images that train."""
    config = resolved.config
    taught_by = [run for part, run in resolved.parents.items() if part != "reference"]
    stored = [outputs.logits(config, outputs.run(config, run))[data.rows] for run in taught_by]
    members = torch.stack([torch.from_numpy(one) for one in stored]).to(device.device)
    if len(stored) == 1:
        return members[0]
    return ensemble_logits(members, config.distillation.temperature, config.distillation.ensemble)


def reference_sd(config: StudentConfig, rows: np.ndarray) -> float | None:
    """Return the s.d. to which a teacher's logits are rescaled, of images `rows`: `sd`, or that of the reference."""
    if (reference := reference_of(config)) is None:
        return config.distillation.sd
    reference, reference_run = with_teacher(reference, RunStore(Path(config.outputs)))
    assert reference_run is not None
    return float(logit_sd(torch.from_numpy(outputs.logits(reference, outputs.run(reference, reference_run))[rows])))


def make_soft_targets(distillation: Distillation, stored: Tensor, sd: float | None) -> Callable[[Tensor], Tensor]:
    """Return what turns teacher logits [B,K] into what the student's loss learns from: probabilities at T, or logits.

    `sd` is what all of the teacher's logits are rescaled to, None where they stay as they are. Class means come after:
    KD is linear in the teacher's probabilities, so that their mean teaches each class as much as the teacher itself.
    """
    temperature, transform = distillation.temperature, distillation.transform
    factor = sd / max(float(logit_sd(stored)), 1e-12) if sd is not None else 1.0
    dtype = loss_dtype(temperature)
    softens = losses.LOSSES[distillation.loss.name].learns_from == "probabilities"

    def soften(logits: Tensor) -> Tensor:
        scaled = zscore(logits.to(dtype)) if transform == "zscore" else logits.to(dtype) * factor
        return teacher_probabilities(scaled, temperature) if softens else scaled

    return soften


@torch.no_grad()
def live_logits(model: nn.Module, batch: Batch, device: Device) -> Tensor:
    """Return a teacher's logits [B,K], float32, on the batch as the student sees it or through its own draws."""
    with device.autocast():
        logits, _ = model(batch.images if batch.teacher_images is None else batch.teacher_images)
    return logits.float()  # type: ignore[no-any-return]  # a module's call is Any


def loss_of(distillation: Distillation, teacher: Callable[[Batch], Tensor]) -> Loss:
    """Return the loss [3], with its parts, of a student with a teacher; `teacher` gives what its term learns from."""
    term, weights, temperature = term_of(distillation), distillation.weights, distillation.temperature

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        has_label = None if batch.is_mixed is None else ~batch.is_mixed
        return distillation_loss(logits, batch.targets, teacher(batch), *weights, temperature, term, has_label)

    return loss


def from_data(batch: Batch) -> Tensor:
    """Return what a batch's teacher says [B,K], where that is data."""
    assert batch.teacher is not None
    return batch.teacher


def term_of(distillation: Distillation) -> Term:
    """Return the student loss that `distillation.loss` names, with its own parameters."""
    return losses.build(distillation.loss.name, **distillation.loss_parameters())


def teacher_says(
    resolved: ResolvedStudent, data: common.TrainValSplit, stored: Tensor, device: Device
) -> Iterator[Tensor]:
    """Yield a teacher's probabilities [B,K] for the batches that a student learned from; `stored` are its logits."""
    config, part = resolved.config, data.training
    live: Callable[[Batch], Tensor] | None = None
    if config.student_aug.ops and config.distillation.view != "clean":
        model = outputs.load(config, resolved.parents["teacher"], data.images, device)

        def live(batch: Batch) -> Tensor:
            return live_logits(model, batch, device).softmax(1)

    targets = one_hot(part.labels, stored.shape[1])
    training = TrainingSet(part.images, targets, part.mean, part.std, device.memory_format, stored.float().softmax(1))
    return fidelity.teacher_words(training, config, live)
