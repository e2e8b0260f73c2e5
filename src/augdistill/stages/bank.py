"""Train several students at once, as a bank, and publish each as the run that it would be alone.

A bank is a way to train, no run: its checkpoints lie in outputs/banks until all of its students are published, under
the name of those that are in it. Which these are its caller says, so that the same bank goes on after an interruption.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import reduce
from pathlib import Path
from typing import Any

import torch

from augdistill import losses
from augdistill.base import signals
from augdistill.base.errors import RequestError
from augdistill.base.logs import run_log
from augdistill.base.text import now
from augdistill.config.checking import check
from augdistill.stages import common, folders, making, names, student
from augdistill.stages.refusals import validate
from augdistill.stages.student import ResolvedStudent
from augdistill.store.identity import Ref, shared_by_bank
from augdistill.store.runs import Run, RunStore
from augdistill.trackers import Tracking
from augdistill.training.bank import Member, fit_bank, member_rows
from augdistill.training.batches import TrainingSet, one_hot
from augdistill.training.device import Device

log = logging.getLogger(__name__)


def run(jobs: Sequence[dict[str, Any]]) -> list[Run]:
    """Return the students of "student" jobs, trained together unless all are there; those that are stay as they are.

    None of them has a strategy of its own. Raises RequestError unless the jobs differ only in what members of a bank
    may, RunError if a teacher is missing, HeldError if a student is held elsewhere and the first job is not to `wait`.
    """
    configs = [check("student", job["config"]) for job in jobs]
    if any(shared_by_bank(config) != shared_by_bank(configs[0]) for config in configs):
        raise RequestError("students of one bank may differ in seed, teacher, alpha, T and soft targets alone")
    if not losses.LOSSES[loss := configs[0].distillation.loss.name].stacks:
        raise RequestError(
            f"distillation.loss={loss} cannot train students as a bank: executor.bank=1 trains them alone"
        )
    store, device = RunStore(Path(configs[0].outputs)), common.device_of(configs[0].runtime)
    header = validate(configs[0])
    students = [student.named(config, store, job.get("id")) for config, job in zip(configs, jobs, strict=True)]
    with ExitStack() as stack:
        for resolved in sorted(students, key=lambda resolved: resolved.ref.id):  # two banks never wait for each other
            if store.find(resolved.ref) is None:
                folder = stack.enter_context(store.writing(resolved.ref, jobs[0].get("wait", True)))
                stack.enter_context(run_log(folder))
        stop = stack.enter_context(signals.stop_on_signal())
        if any(store.find(resolved.ref) is None for resolved in students):
            names.test_sets(configs[0], header)
            with store.lock(ref_of(students)):  # for who would remove it: another such bank waits for its students
                told = jobs[0].get("trackers", ())
                tracks = {
                    index: stack.enter_context(making.tracking(told, one.ref, one.config, store))
                    for index, one in enumerate(students)
                    if told and store.find(one.ref) is None
                }
                train(students, store, device, stop, tracks)
    found = [store.find(resolved.ref) for resolved in students]
    return [run for run in found if run is not None]


def train(
    students: Sequence[ResolvedStudent],
    store: RunStore,
    device: Device,
    stop: signals.StopRequest,
    tracks: Mapping[int, Tracking],
) -> None:
    """Distil all students and publish those that are not there, of which trackers are told by their place."""

    def track(history: list[dict[str, float]]) -> None:
        for index, tell in tracks.items():
            tell(member_rows(history, index))

    began, clock, config = now(), time.monotonic(), students[0].config
    called = [resolved.ref.folder for resolved in students]
    data = common.train_val_split(config, students[0].ref.document["data"], device)
    members = [member_of(resolved, data, device) for resolved in students]
    dtypes = [member.teacher.dtype for member in members if member.teacher is not None]
    targets = one_hot(
        data.training.labels, len(data.images.header.classes), reduce(torch.promote_types, dtypes, torch.float32)
    )
    training = TrainingSet(data.training.images, targets, data.images.mean, data.images.std, device.memory_format)
    log.info(
        "a bank of %d students: %s; %d images, %s",
        len(called),
        ", ".join(called),
        len(training),
        common.describe_device(device),
    )
    hooks = making.hooks_of(config, data, device, f"{len(called)} x {config.student.name}", stop, track)
    folder = store.banks / ref_of(students).folder
    folder.mkdir(parents=True, exist_ok=True)
    term = student.term_of(config.distillation)
    trained = fit_bank(members, training, config.optim.plain(), term, device, folder, hooks)
    made = folders.RunTiming(device, began, (time.monotonic() - clock) / len(students), called)
    for index, (resolved, member, became) in enumerate(zip(students, members, trained, strict=True)):
        if store.find(resolved.ref) is None:
            why = "" if became.diverged is None else f"its loss or weights were not finite in epoch {became.diverged}"
            run = student.publish(resolved, data, member.model, became.history, why, made, store)
            if index in tracks:
                tracks[index].status = run.status
    shutil.rmtree(folder)


def member_of(resolved: ResolvedStudent, data: common.TrainValSplit, device: Device) -> Member:
    """Return a student as a bank trains it."""
    distillation = resolved.config.distillation
    return Member(
        model=student.untrained(resolved, data, device),
        teacher=student.soft_targets(resolved, data, device) if resolved.parents else None,
        weights=distillation.weights,
        temperature=distillation.temperature,
        seed=resolved.config.seed,
    )


def ref_of(students: Sequence[ResolvedStudent]) -> Ref:
    """Return what names a bank: the same students in the same order keep their checkpoints at the same place."""
    digest = hashlib.sha256(" ".join(resolved.ref.id for resolved in students).encode()).hexdigest()
    return Ref("bank", digest, f"bank-{digest[:16]}", {})
