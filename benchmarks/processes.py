"""Our side in several processes at once, as executors run stages."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Barrier
from typing import Any

from benchmarks.measure import Side, Timed
from benchmarks.sides import Setting, Work, our_side

MOST_SECONDS = 300  # that a process waits for the others to have recorded their graphs


def side_by_side(setting: Setting, work: Work, processes: int) -> Side:
    """Return our side in as many processes at once, which live on; their timed epochs begin together."""
    context: Any = get_context("forkserver")
    context.set_forkserver_preload([our_side.__module__])  # imports torch once; no CUDA, which does not survive a fork
    barrier = context.Barrier(processes)
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=meet_at, initargs=(barrier,))

    def side() -> float | Timed:
        done = list(pool.map(in_process, [setting] * processes, [work] * processes))
        parts = [part for part in done if isinstance(part, Timed)]
        if not parts:
            return float(sum(done))
        images, seconds, apart = zip(*parts, strict=True)
        return Timed(sum(images), max(seconds), sum(apart))

    return side


MEETING: list[Barrier] = []  # of a worker process
READY: dict[Work, Side] = {}


def meet_at(barrier: Barrier) -> None:
    """Take in where the processes wait for each other."""
    MEETING.append(barrier)


def in_process(setting: Setting, work: Work) -> float | Timed:
    """Run our side in a worker process, made ready at the first time; where it fails, the others wait no more."""
    try:
        if work not in READY:
            READY[work] = our_side(setting, work, lambda: MEETING[0].wait(MOST_SECONDS))
        return READY[work]()
    except BaseException:
        MEETING[0].abort()
        raise
