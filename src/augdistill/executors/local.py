"""Run a plan's stages on this machine, in a bounded pool of worker processes that live as long as the study."""

import heapq
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.util import get_temp_dir

from augdistill.base.errors import StoppedError, WorkError
from augdistill.base.safepath import start_safely
from augdistill.base.signals import STOPPED, raising_on_signals
from augdistill.config import Config
from augdistill.config.executors import Local
from augdistill.executors.banks import banks_of
from augdistill.executors.base import Board, Outcome, Results, Work, attempt, quiet_worker
from augdistill.executors.devices import devices, least_busy
from augdistill.stages import run_job
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

PRELOAD = ["augdistill.stages.evaluation"]  # imports torch once; the workers are forked from there
TIME_TO_SAVE = 60  # seconds that a worker has after its study's process is gone
SEMAPHORES = "/dev/shm"
LONGEST_TMPDIR = 107 - len(
    "/pymp-12345678/listener-12345678"
)  # of the 108 bytes that a socket's path may have, with the 0
CPU = "cpu"  # the place of stages that share no CUDA device


def run(plan: Plan, store: RunStore, executor: Local, work: Work = run_job) -> Results:
    """Run a plan as `Executor.run` says, in worker processes."""
    board = Board(plan, store)
    if board.unmet:
        cuda = devices(plan)
        board.banks = banks_of(plan, executor.bank, on_gpu=bool(cuda))
        scheduler = Scheduler(board, executor, cuda, work)
        with raising_on_signals(), board.shown():
            try:
                scheduler.loop()
            finally:
                scheduler.close()
    return board.results


class Scheduler:
    """Which stages run where; cores are shared out so that no more threads run than there are.

    Every CUDA device has workers of its own, which see no other; without CUDA there is one place for all.
    """

    def __init__(self, board: Board, executor: Local, cuda: list[str], work: Work = run_job) -> None:
        self.board, self.work, self.retries = board, work, executor.retries
        self.cores = self.free = executor.at_once
        self.slots = executor.per_device if cuda else self.cores
        self.pools = {place: new_pool(self.slots, place) for place in cuda or [CPU]}
        self.running: dict[Future[Outcome], tuple[Stage, str]] = {}
        self.busy = dict.fromkeys(self.pools, 0)
        self.attempts: dict[str, int] = {}
        self.order = {id: number for number, id in enumerate(board.unmet)}
        self.ready: dict[str, Stage] = {}
        self.queues: dict[int, list[tuple[int, str]]] = {}  # threads -> ready stages by their place in the plan
        for stage in board.ready:
            self.enqueue(stage)

    def threads(self, stage: Stage) -> int:
        """Return the cores that a stage takes: those of its threads, as far as there are so many."""
        return min(stage.threads, self.cores)

    def enqueue(self, stage: Stage) -> None:
        """Put a stage whose parents have finished where `submit` finds it."""
        self.ready[stage.id] = stage
        heapq.heappush(self.queues.setdefault(self.threads(stage), []), (self.order[stage.id], stage.id))

    def loop(self) -> None:
        """Submit what is ready, collect what ends, until nothing is left."""
        self.submit()
        while self.running:
            ended, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in ended:
                if future in self.running:  # a lost worker ends all that ran with it, at once
                    self.collect(future)
            self.submit()
        assert not self.board.unmet, "every stage left waits for one that never comes"

    def submit(self) -> None:
        """Give ready stages to the pools, in the plan's order, as long as there are cores for their threads."""
        while (place := least_busy(self.busy, self.slots)) is not None:
            fitting = [queue for threads, queue in self.queues.items() if queue and threads <= self.free]
            if not fitting:
                return
            stage = self.ready.pop(heapq.heappop(min(fitting))[1])
            try:
                future = self.pools[place].submit(perform, stage.job, self.work)
            except BrokenProcessPool:  # a worker was killed in the moment before
                self.enqueue(stage)
                self.recover(place)
                continue
            self.board.started(stage)
            self.running[future] = stage, place
            self.free -= self.threads(stage)
            self.busy[place] += 1

    def release(self, future: "Future[Outcome]") -> tuple[Stage, str]:
        """Give back what a stage took and return the stage and its place."""
        stage, place = self.running.pop(future)
        self.free += self.threads(stage)
        self.busy[place] -= 1
        return stage, place

    def collect(self, future: "Future[Outcome]") -> None:
        """Take in a stage that ended; one whose worker was lost is tried again."""
        try:
            outcome = future.result()
        except BrokenProcessPool:
            self.recover(self.running[future][1])
            return
        stage, _ = self.release(future)
        if outcome.exit_code == StoppedError.exit_code:
            raise StoppedError(STOPPED)
        if outcome.status == "lost":
            self.try_again(stage, outcome.error)
            return
        for ready in self.board.ended(stage, outcome):
            self.enqueue(ready)

    def recover(self, place: str) -> None:
        """After a worker was killed, start a new pool in its place and try again what was running in the old one.

        The others of that pool were told to save; the one to blame is the one whose worker gave back no lock.
        """
        stages = [self.release(future)[0] for future, (_, where) in list(self.running.items()) if where == place]
        self.pools[place].shutdown(wait=True, cancel_futures=True)
        self.pools[place] = new_pool(self.slots, place)
        blamed = [stage for stage in stages if self.board.store.holder(stage.ref)] or stages
        for stage in stages:
            self.try_again(stage, "its worker was lost (killed, or out of memory)", counts=stage in blamed)

    def try_again(self, stage: Stage, why: str, counts: bool = True) -> None:
        """Put a stage back that was lost, unless that happened more often than `executor.retries` allows."""
        self.attempts[stage.id] = self.attempts.get(stage.id, 0) + counts
        if self.attempts[stage.id] <= self.retries:
            self.board.lost(stage, why)
            self.enqueue(stage)
        else:
            self.board.ended(stage, Outcome("failed", why, 1))

    def close(self) -> None:
        """Ask what still runs to save and stop, and end the workers."""
        for place, pool in self.pools.items():
            if self.busy[place]:
                for process in list((pool._processes or {}).values()):
                    process.terminate()
        for pool in self.pools.values():
            pool.shutdown(wait=True, cancel_futures=True)


def new_pool(workers: int, place: str) -> ProcessPoolExecutor:
    """Return a pool whose workers are forked from one process that has imported torch, and no model or thread yet."""
    start_safely()
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    sockets_in_a_short_folder()
    try:
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin_worker, initargs=(place,))
    except OSError as error:  # semaphores of the pool's queues
        raise WorkError(
            f"the workers of a study share semaphores in {SEMAPHORES}, which cannot be written "
            f"({error.strerror or error}): mount it writable (a container: --tmpfs {SEMAPHORES}), or run on SLURM"
        ) from error
    # All workers at once: what watches over them does not see at once that one which it started later was killed.
    pool._safe_to_dynamically_spawn_children = False  # type: ignore[attr-defined]  # there is no public way
    return pool


def sockets_in_a_short_folder() -> None:
    """Have workers' sockets in a folder whose path is short enough for one, where that of TMPDIR is not.

    Raises WorkError where none is found. What multiprocessing chooses once, it keeps.
    """
    named = tempfile.gettempdir()
    if len(os.fsencode(named)) <= LONGEST_TMPDIR:
        return
    for folder in ("/tmp", "/var/tmp"):
        with suppress(OSError), tempfile.TemporaryFile(dir=folder):
            tempfile.tempdir = folder
            try:
                get_temp_dir()
            finally:
                tempfile.tempdir = named
            return
    raise WorkError(
        f"TMPDIR={named} is too long for the sockets of a study's workers: name a folder of at most "
        f"{LONGEST_TMPDIR} characters, as in TMPDIR=/tmp"
    )


def begin_worker(place: str) -> None:
    """Make a worker quiet, let it see one CUDA device, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet_worker()
    if place != CPU:
        os.environ["CUDA_VISIBLE_DEVICES"] = place  # read when CUDA starts, which importing torch does not do
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the study's process to end, however it does, then save and end this worker too."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(TIME_TO_SAVE)
    os._exit(1)


def perform(job: Config, work: Work) -> Outcome:
    """Run one job in a worker; one that was told to stop ends once that was told."""
    outcome = attempt(job, work)
    if outcome.exit_code == StoppedError.exit_code:
        threading.Timer(1, os._exit, [outcome.exit_code]).start()
    return outcome
