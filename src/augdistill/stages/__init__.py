"""Stages: the only glue from a config to tensors. A job is {"kind": ..., "config": ..., "id": ...}, plain JSON."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from augdistill.base.errors import RequestError
from augdistill.base.schema import misfit
from augdistill.config.checking import check_job
from augdistill.config.jobs import StudentConfig
from augdistill.store.documents import JOB, KINDS
from augdistill.store.runs import Run, RunStore

JOB_IS = f'a job is {{"kind": one of {", ".join(KINDS)}, "config": {{...}}}}, as in the stages of a plan.json'


def run_job(job: dict[str, Any]) -> Run:
    """Return the run that a job makes; found if it is there, else made. Torch is imported when it is needed.

    `id` is what the plan called the run: DataError if its data have changed since. A job without it is not compared.
    With `wait` false a run that another process holds is a HeldError. `bank` are the jobs of the students that train
    with a student, its own among them.
    """
    if (place := misfit(job, JOB)) is not None:
        raise RequestError(f"the job's {place} is missing or not what it must be: {JOB_IS}")
    if job.get("bank"):
        return next(run for run in run_bank(job["bank"]) if run.id == job["id"])
    config, asked = check_job(job["kind"], job["config"]), {"wait": job.get("wait", True), "planned": job.get("id")}
    words: tuple[object, ...] = (config,)
    if job["kind"] == "outputs" and isinstance(config, StudentConfig):
        words = import_module("augdistill.stages.student").with_teacher(config, RunStore(Path(config.outputs)))
    made: Run = import_module(f"augdistill.stages.{job['kind']}").run(*words, **asked)
    return made


def run_bank(jobs: Sequence[dict[str, Any]]) -> list[Run]:
    """Return the runs of students that train together, in the order of their jobs."""
    made: list[Run] = import_module("augdistill.stages.bank").run(jobs)
    return made
