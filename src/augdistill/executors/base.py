"""What every executor shares: how one job ends, how a plan's stages stand, one line for each change of state."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from augdistill.base.errors import AugdistillError, NoMemoryError, as_work_error
from augdistill.base.text import duration, printable_line
from augdistill.config import Config
from augdistill.executors.banks import Banks
from augdistill.executors.display import DETAIL, Display
from augdistill.stages import run_job
from augdistill.store.runs import Run, RunStore
from augdistill.study.estimate import EtaEstimator
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

log = logging.getLogger(__name__)

Work = Callable[[Config], Run]  # what runs one job; another than `run_job` where only the running is measured


@dataclass(frozen=True)
class Outcome:
    """How a stage ended: its run's status, or the error and exit code that ended it; "lost" is worth another try."""

    status: str
    error: str = ""
    exit_code: int = 0
    seconds: float = 0.0


@dataclass
class Results:
    """How every stage of a study stands, by id; `found` were there before."""

    found: set[str] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)  # id -> the folder of the stage that it waits for in vain
    queued: int = 0  # stages left to a cluster's queue

    @property
    def failed(self) -> dict[str, Outcome]:
        return {id: outcome for id, outcome in self.outcomes.items() if outcome.error}


class Board:
    """How the stages of a plan stand. An executor tells it what starts and ends, and is told what is ready then.

    A bank is ready as one stage, the first of its students that is to do, whose job names all of them; how the others
    end is read from the store when that one has ended. Each call costs as much as the stage has children, however long
    the plan is.
    """

    def __init__(self, plan: Plan, store: RunStore) -> None:
        self.name, self.store = plan.name, store
        self.banks: Banks = {}  # an executor that trains students together says here which
        self.results = Results()
        self.stages = {stage.id: stage for stage in plan.stages}
        self.children: dict[str, list[str]] = {id: [] for id in self.stages}
        self.unmet: dict[str, int] = {}  # stages to do, in the plan's order -> how many parents have not finished
        self.display: Display | None = None
        finished: set[str] = set()
        dead: list[tuple[Stage, str]] = []
        for stage in plan.stages:  # parents come first
            for parent in stage.parents:
                self.children[parent].append(stage.id)
            run = store.find(stage.ref)
            if run is None:
                self.unmet[stage.id] = sum(parent not in finished for parent in stage.parents)
                continue
            self.results.found.add(stage.id)
            if run.status == "finished":
                finished.add(stage.id)
            else:
                dead.append((stage, f"{stage.folder} ({run.status})"))
        self.eta = EtaEstimator(plan, self.todo)
        for stage, cause in dead:
            self.block(stage, cause)
        self.total = len(self.unmet)

    @property
    def todo(self) -> list[Stage]:
        """Return the stages that are neither found nor ended nor blocked, parents first."""
        return [self.stages[id] for id in self.unmet]

    @property
    def ready(self) -> list[Stage]:
        """Return the stages to do whose parents have all finished."""
        return self.able([id for id, unmet in self.unmet.items() if not unmet])

    def able(self, ids: Iterable[str]) -> list[Stage]:
        """Return what runs where these stages wait for nothing: each alone, or its bank if none of that waits."""
        found = {}
        for id in ids:
            members = self.to_do_with(id)
            if members and not any(self.unmet[member.id] for member in members):
                found[members[0].id] = self.together(members[0])
        return list(found.values())

    def to_do_with(self, id: str) -> list[Stage]:
        """Return the stages to do that end when this one does: its bank's, or itself."""
        return [stage for stage in self.banks.get(id, (self.stages[id],)) if stage.id in self.unmet]

    def together(self, stage: Stage) -> Stage:
        """Return a stage with its bank in its job: all students of that whose teachers have not failed."""
        members = [member for member in self.banks.get(stage.id, ()) if member.id not in self.results.blocked]
        return replace(stage, bank=tuple(members)) if len(members) > 1 else stage

    def started(self, stage: Stage, where: str = "") -> None:
        """Say that a stage runs now, and those that run with it."""
        for member in self.to_do_with(stage.id):
            log.info("started %s%s", member.folder, f" on {where}" if where else "", extra=DETAIL)
            if self.display is not None:
                self.display.started(member.id, member.folder)

    def lost(self, stage: Stage, why: str) -> None:
        """Say that a stage was lost, through no fault of its own, and is tried again."""
        if self.display is not None:
            self.display.ended(stage.id, self.total - len(self.unmet))
        log.warning("lost %s: %s; trying again", stage.folder, why)

    def ended(self, stage: Stage, outcome: Outcome) -> list[Stage]:
        """Take in how a stage ended and return what that makes ready; what depends on a failure is blocked."""
        members, freed = self.to_do_with(stage.id), []
        for member in members:
            freed += self.take_in(member, outcome if len(members) == 1 else self.share(member, outcome, len(members)))
        if self.display is not None:
            for member in members:
                self.display.ended(member.id, self.total - len(self.unmet))
        return self.able(freed)

    def share(self, member: Stage, outcome: Outcome, count: int) -> Outcome:
        """Return how one of `count` students of a bank ended."""
        run = self.store.find(member.ref)
        status = outcome.status if outcome.error or run is None else run.status
        return replace(outcome, status=status, seconds=outcome.seconds / count)

    def take_in(self, stage: Stage, outcome: Outcome) -> list[str]:
        """Take in how one stage ended and return the stages that may be ready now, by their ids."""
        self.results.outcomes[stage.id] = outcome
        del self.unmet[stage.id]
        if outcome.status == "finished":
            self.eta.finish(stage, outcome.seconds)
            log.info("finished %s in %.1f s (%s)", stage.folder, outcome.seconds, self.progress(), extra=DETAIL)
            return self.released(stage)
        self.eta.drop(stage)
        why = f": {outcome.error}" if outcome.error else ""
        log.error("%s %s%s (%s)", outcome.status, stage.folder, why, self.progress())
        return self.block(stage, stage.folder)

    def progress(self) -> str:
        """Return how many of the stages to do are so no more, and how long the others take, if that is known."""
        left = self.eta.time_left() if self.unmet else None
        done = f"{self.total - len(self.unmet)} of {self.total}"
        return done if left is None else f"{done}, about {duration(left)} left"

    def released(self, stage: Stage) -> list[str]:
        """Return the stages that waited for this one last."""
        ready = []
        for child in self.children[stage.id]:
            if child in self.unmet:
                self.unmet[child] -= 1
                if not self.unmet[child]:
                    ready.append(child)
        return ready

    def block(self, stage: Stage, cause: str) -> list[str]:
        """Take away all that depends on a stage that failed or diverged; return who was in a bank with any of that."""
        lost, left = [stage.id], []
        while lost:
            for child in self.children[lost.pop()]:
                if self.unmet.pop(child, None) is not None:
                    self.results.blocked[child] = cause
                    self.eta.drop(self.stages[child])
                    log.warning("blocked %s by %s", self.stages[child].folder, cause)
                    lost.append(child)
                    left += [member.id for member in self.banks.get(child, ())]
        return left

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show on the terminal, and tell the study's log, how the stages stand meanwhile."""
        folder = self.store.outputs / "studies" / self.name
        self.display = Display(self.name, self.total, folder, self.progress)
        with self.display.shown():
            yield


def attempt(job: Config, work: Work = run_job) -> Outcome:
    """Run one job in a worker and return how it ended; what it raises is told, not raised."""
    began = time.monotonic()

    def failed(error: str, exit_code: int, status: str = "failed") -> Outcome:
        return Outcome(status, printable_line(error), exit_code, time.monotonic() - began)

    try:
        with as_work_error():
            made = work(job)
    except NoMemoryError as error:
        return failed(str(error), error.exit_code, "lost")
    except AugdistillError as error:
        return failed(str(error), error.exit_code)
    except Exception as error:
        logging.getLogger("augdistill").exception("failed")
        return failed(f"{type(error).__name__}: {error}", 1)
    return Outcome(made.status, "", 0, time.monotonic() - began)


def quiet_worker() -> None:
    """Keep a worker's lines off the terminal: its runs have logs of their own."""
    os.environ["AUGDISTILL_WORKER"] = "1"
    logging.getLogger("augdistill").setLevel(logging.INFO)
    logging.getLogger("augdistill").propagate = False
