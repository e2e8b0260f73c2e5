"""Run a plan's stages on this machine, in a bounded pool of worker processes that live as long as the study."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from types import FrameType
from typing import Any

from tqdm import tqdm

from augdistill.errors import AugdistillError, StoppedError
from augdistill.runs import RunStore
from augdistill.study.plan import Plan, Stage

log = logging.getLogger(__name__)

PRELOAD = ["augdistill.stages.evaluation"]  # imports torch once; the workers are forked from there
TIME_TO_SAVE = 60  # seconds that a worker has after its study's process is gone


@dataclass(frozen=True)
class Outcome:
    """How a stage ended: its run's status, or the error and exit code that ended it."""

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

    @property
    def failed(self) -> dict[str, Outcome]:
        return {id: outcome for id, outcome in self.outcomes.items() if outcome.error}


def run(plan: Plan, store: RunStore, executor: dict[str, Any]) -> Results:
    """Run what of a plan is not there yet and return how every stage ended.

    A stage that fails stops only what depends on it. Raises StoppedError or KeyboardInterrupt after every worker has
    saved and stopped.
    """
    results = Results()
    scheduler = Scheduler(plan, store, results, executor["workers"] or os.cpu_count() or 1, executor["retries"])
    todo = len(scheduler.waiting)
    if not todo:
        return results
    with raising_on_sigterm(), tqdm(total=todo, unit="stage", disable=None, desc=plan.name) as bar:
        scheduler.bar = bar
        try:
            scheduler.loop()
        finally:
            scheduler.close()
    return results


@dataclass
class Scheduler:
    """Which stages wait, run and have ended; cores are shared out so that no more threads run than there are."""

    plan: Plan
    store: RunStore
    results: Results
    cores: int
    retries: int
    bar: "tqdm[Any] | None" = None
    waiting: dict[str, Stage] = field(default_factory=dict)
    running: dict["Future[Outcome]", Stage] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.done: set[str] = set()
        dead: list[tuple[Stage, str]] = []
        for stage in self.plan.stages:
            run = self.store.find(stage.ref)
            if run is None:
                self.waiting[stage.id] = stage
                continue
            self.results.found.add(stage.id)
            if run.status == "finished":
                self.done.add(stage.id)
            else:
                dead.append((stage, f"{stage.folder} ({run.status})"))
        for stage, cause in dead:
            self.block(stage, cause)
        self.pool = new_pool(self.cores)

    def loop(self) -> None:
        """Submit what is ready, collect what ends, until nothing is left."""
        while self.waiting or self.running:
            self.submit()
            if not self.running:
                assert not self.waiting, "every stage left waits for one that never comes"
                return
            ended, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in ended:
                if future in self.running:  # a lost worker ends all that ran with it, at once
                    self.collect(future, self.running.pop(future))

    def submit(self) -> None:
        """Give ready stages to the pool, in the plan's order, as long as there are cores for their threads."""
        free = self.cores - sum(min(stage.threads, self.cores) for stage in self.running.values())
        for stage in list(self.waiting.values()):
            if free <= 0:
                return
            if min(stage.threads, self.cores) <= free and self.done.issuperset(stage.parents):
                del self.waiting[stage.id]
                self.running[self.pool.submit(work, stage.job)] = stage
                free -= min(stage.threads, self.cores)

    def collect(self, future: "Future[Outcome]", stage: Stage) -> None:
        """Take in a stage that ended; one whose worker was lost is tried again."""
        try:
            outcome = future.result()
        except BrokenProcessPool:
            self.recover(stage)
            return
        if outcome.exit_code == StoppedError.exit_code:
            raise StoppedError("stopped by a signal, everything saved: the same command goes on from here")
        self.results.outcomes[stage.id] = outcome
        if outcome.status == "finished":
            self.done.add(stage.id)
            log.debug("%s finished in %.1f s", stage.folder, outcome.seconds)
        else:
            log.error("%s: %s", stage.folder, outcome.error or outcome.status)
            self.block(stage, stage.folder)
        if self.bar is not None:
            self.bar.update()

    def recover(self, lost: Stage) -> None:
        """After a worker was killed, start a new pool and try again what was running in the old one."""
        stages = [lost, *self.running.values()]
        self.running.clear()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool = new_pool(self.cores)
        for stage in stages:
            self.attempts[stage.id] = self.attempts.get(stage.id, 0) + 1
            if self.attempts[stage.id] <= self.retries:
                log.warning("%s: its worker was lost; trying again", stage.folder)
                self.waiting = {stage.id: stage, **self.waiting}
            else:
                error = "its worker was lost (killed, or out of memory)"
                self.results.outcomes[stage.id] = Outcome("failed", error, 1)
                self.block(stage, stage.folder)

    def block(self, stage: Stage, cause: str) -> None:
        """Take out of the queue all that depends on a stage that failed or diverged."""
        lost = {stage.id}
        for other in self.plan.stages:
            if lost.intersection(other.parents):
                lost.add(other.id)
                if self.waiting.pop(other.id, None) is not None:
                    self.results.blocked[other.id] = cause

    def close(self) -> None:
        """Ask what still runs to save and stop, and end the workers."""
        if self.running:
            for process in list((self.pool._processes or {}).values()):
                process.terminate()
        self.pool.shutdown(wait=True, cancel_futures=True)


def new_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool whose workers are forked from one process that has imported torch, and no model or thread yet."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=begin_worker)


def begin_worker() -> None:
    """Make a worker quiet on the terminal (its runs have logs) and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["AUGDISTILL_WORKER"] = "1"
    logging.getLogger("augdistill").setLevel(logging.INFO)
    logging.getLogger("augdistill").propagate = False
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the study's process to end, however it does, then save and end this worker too."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(TIME_TO_SAVE)
    os._exit(1)


def work(job: dict[str, Any]) -> Outcome:
    """Run one job in a worker; what it raises is told, not raised."""
    from augdistill.stages import run_job

    began = time.monotonic()
    try:
        made = run_job(job)
    except StoppedError as error:
        threading.Timer(1, os._exit, [error.exit_code]).start()  # told to stop: end once that was told
        return Outcome("failed", str(error), error.exit_code, time.monotonic() - began)
    except AugdistillError as error:
        return Outcome("failed", str(error), error.exit_code, time.monotonic() - began)
    except MemoryError:
        os.abort()  # a lost worker: the parent tries again
    except Exception as error:
        logging.getLogger("augdistill").exception("failed")
        return Outcome("failed", f"{type(error).__name__}: {error}", 1, time.monotonic() - began)
    return Outcome(made.status, "", 0, time.monotonic() - began)


@contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into StoppedError while a study runs, so that its workers save before it ends."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise StoppedError("stopped by a signal, everything saved: the same command goes on from here")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
