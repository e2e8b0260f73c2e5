"""How planned stages get run; the run store is the truth, so any executor can finish what another began."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

from augdistill.base.errors import RequestError
from augdistill.config import executors as configs
from augdistill.executors import local, ray, slurm
from augdistill.executors.base import Results
from augdistill.executors.slurm import queues
from augdistill.executors.slurm.queues import StageStatus
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan


class Executor(Protocol):
    """What an executor's module has; it imports the package of its extra only when it runs."""

    @property
    def run(self) -> Callable[[Plan, RunStore, Any], Results]:
        """Run what of a plan is not there yet and return how every stage ended.

        A stage that fails stops only what depends on it. Raises StoppedError or KeyboardInterrupt after every worker
        has saved and stopped.
        """


EXECUTORS: dict[str, Executor] = {"local": local, "ray": ray, "slurm": slurm}
EXTRAS = {"ray": "ray"}  # executor, and so the extra that it needs -> the package looked for


def chosen(executor: configs.Executor) -> Executor:
    """Return the executor that a config's `executor` group names; RequestError where it cannot be had here."""
    name = executor.name
    if name in EXTRAS and find_spec(EXTRAS[name]) is None:
        raise RequestError(f"executor={name} needs the package {EXTRAS[name]}: pip install 'augdistill[{name}]'")
    if name == "slurm":
        slurm.check()
    return EXECUTORS[name]


def stage_statuses(plan: Plan, store: RunStore, executor: configs.Executor) -> dict[str, StageStatus]:
    """Return how every stage of a plan stands, by its id: as its run says, else as the cluster's queue does."""
    if executor.name == "slurm":
        return queues.stage_statuses(plan, store, slurm.job_folder(plan, store), queues.queue())
    runs = {stage.id: store.find(stage.ref) for stage in plan.stages}
    return {id: StageStatus(run.status if run else "to do") for id, run in runs.items()}
