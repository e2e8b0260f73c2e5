"""Stages: the only glue from a config to tensors. A job is {"kind": ..., "config": ...}, plain JSON."""

from importlib import import_module
from pathlib import Path
from typing import Any

from augdistill.config import check
from augdistill.runs import Run, RunStore

KINDS = ("teacher", "outputs", "student", "evaluation")


def run_job(job: dict[str, Any]) -> Run:
    """Return the run that a job makes; found if it is there, else made. Torch is imported when it is needed."""
    kind, config = job["kind"], job["config"]
    if kind not in KINDS:
        raise ValueError(f"a job of kind {kind}: known are {', '.join(KINDS)}")
    module = import_module(f"augdistill.stages.{kind}")
    if kind != "outputs":
        run: Run = module.run(config)
        return run
    student = import_module("augdistill.stages.student")
    config, teacher_run = student.with_teacher(check("student", config), RunStore(Path(config["outputs"])))
    made: Run = module.run(config, teacher_run)
    return made
