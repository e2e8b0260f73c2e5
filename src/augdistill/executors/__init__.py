"""How planned stages get run; the run store is the truth, so any executor can finish what another began."""

from importlib.util import find_spec
from typing import Protocol

from augdistill.base.errors import RequestError
from augdistill.config import Config
from augdistill.config.checking import check_group
from augdistill.executors import local, ray, slurm
from augdistill.executors.base import Results
from augdistill.executors.slurm.queues import Standing
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan


class Executor(Protocol):
    """What an executor's module has; it imports the package of its extra only when it runs."""

    def check(self, executor: Config) -> None:
        """Raise RequestError where this machine cannot do what the checked group `executor` asks for."""

    def run(self, plan: Plan, store: RunStore, executor: Config) -> Results:
        """Run what of a plan is not there yet and return how every stage ended.

        A stage that fails stops only what depends on it. Raises StoppedError or KeyboardInterrupt after every worker
        has saved and stopped.
        """


EXECUTORS: dict[str, Executor] = {"local": local, "ray": ray, "slurm": slurm}
EXTRAS = {"ray": "ray"}  # executor, and so the extra that it needs -> the package looked for


def chosen(executor: object) -> Executor:
    """Return the executor that a config's `executor` group names.

    Raises ConfigError for a name, key or value that cannot be, RequestError where its extra is not installed.
    """
    checked = check_group("executor", executor)
    name = checked["name"]
    if name in EXTRAS and find_spec(EXTRAS[name]) is None:
        raise RequestError(f"executor={name} needs the package {EXTRAS[name]}: pip install 'augdistill[{name}]'")
    EXECUTORS[name].check(checked)
    return EXECUTORS[name]


def standings(plan: Plan, store: RunStore, executor: Config) -> dict[str, Standing]:
    """Return how every stage of a plan stands, by its id: as its run says, else as the cluster's queue does."""
    if executor["name"] == "slurm":
        return slurm.standings_of(plan, store)
    runs = {stage.id: store.find(stage.ref) for stage in plan.stages}
    return {id: Standing(run.status if run else "to do") for id, run in runs.items()}
