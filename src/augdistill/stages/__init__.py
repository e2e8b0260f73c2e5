"""Stages: the only glue from a config to tensors. A job is {"kind": ..., "config": ..., "id": ...}, plain JSON."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from augdistill.base.errors import RequestError
from augdistill.base.model import validated
from augdistill.config.checking import check_job
from augdistill.config.jobs import StudentConfig
from augdistill.store.documents import JOBS, KINDS, Job
from augdistill.store.runs import Run, RunStore

MODELS = ("teacher", "student")  # what trains
JOB_IS = f'a job is {{"kind": one of {", ".join(KINDS)}, "config": {{...}}}}, as in the stages of a plan.json'


def run_job(job: dict[str, Any]) -> Run:
    """Return the run that a job makes; found if it is there, else made. Torch is imported when it is needed.

    `id` is what the plan called the run: DataError if its data have changed since. A job without it is not compared.
    With `wait` false a run that another process holds is a HeldError. `bank` are the jobs of the students that train
    with a student, its own among them. `trackers` are told of a model while it trains.
    """
    try:
        checked = validated(JOBS, job)
    except ValueError as error:
        raise RequestError(f"the job's {error}: {JOB_IS}") from None
    if checked.bank:
        return next(run for run in run_bank(checked.bank) if run.id == checked.id)
    config = check_job(checked.kind, checked.config)
    words: tuple[object, ...] = (config,)
    trackers = {"trackers": checked.trackers} if checked.kind in MODELS and checked.trackers else {}
    if checked.kind == "outputs" and isinstance(config, StudentConfig):
        words = import_module("augdistill.stages.parents").with_teacher(config, RunStore(Path(config.outputs)))
    made: Run = import_module(f"augdistill.stages.{checked.kind}").run(
        *words, wait=checked.wait, planned=checked.id, **trackers
    )
    return made


def run_bank(jobs: Sequence[Job]) -> list[Run]:
    """Return the runs of students that train together, in the order of their jobs."""
    made: list[Run] = import_module("augdistill.stages.bank").run([job.plain() for job in jobs])
    return made
