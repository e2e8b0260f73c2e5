"""Plans of stages that do nothing, for tests of how stages are run rather than of what they make."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from augdistill.executors.base import Outcome
from augdistill.runs import Run
from augdistill.study.plan import Plan, Stage

FINISHED = Outcome("finished")


def plan_of(parents: Mapping[str, Sequence[str]], threads: Mapping[str, int] | None = None) -> Plan:
    """Return a plan from each stage's parents, by name."""
    stages = [stage(name, needed, (threads or {}).get(name, 1)) for name, needed in parents.items()]
    return Plan("synthetic", {}, stages, {}, [], [])


def stage(name: str, parents: Sequence[str], threads: int = 1) -> Stage:
    """Return a stage whose job says its name."""
    job = {"kind": "teacher", "config": {"name": name, "runtime": {"device": "cpu"}}}
    return Stage(name, "teacher", f"teacher-{name}", job, tuple(parents), threads)


def do_nothing(job: dict[str, Any]) -> Run:
    """Return a finished run that is nowhere."""
    return Run(Path(job["config"]["name"]), {"status": "finished"})
