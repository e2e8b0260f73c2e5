"""How long the rest of a study takes on all its nodes together, told as its stages end."""

import time
from collections import Counter
from collections.abc import Iterable

from augdistill.study.estimate import Kind, Rates, kind_of
from augdistill.study.plan import Plan, Stage


class Pace:
    """The work left of every kind of stage, how fast that kind went so far, and how much ran at once."""

    def __init__(self, plan: Plan, todo: Iterable[Stage]) -> None:
        self.rates, self.began = Rates(plan), time.monotonic()
        self.left: Counter[Kind] = Counter()
        self.worked: Counter[Kind] = Counter()
        self.seconds: Counter[Kind] = Counter()
        for stage in todo:
            self.left[kind_of(stage)] += self.work(stage)

    def work(self, stage: Stage) -> int:
        """Return a stage's units of work: images in epochs, or one."""
        return int(self.rates.work(stage.kind, stage.config))

    def drop(self, stage: Stage) -> None:
        """Take in that a stage is not to do any more."""
        self.left[kind_of(stage)] -= self.work(stage)

    def finish(self, stage: Stage, seconds: float) -> None:
        """Take in that a stage finished, and in what time of its worker."""
        self.drop(stage)
        self.worked[kind_of(stage)] += self.work(stage)
        self.seconds[kind_of(stage)] += seconds  # type: ignore[assignment]  # typeshed counts whole numbers only

    def time_left(self) -> float | None:
        """Return the seconds until all is done if as much runs at once as did so far.

        None while a kind is left of which no stage has finished.
        """
        left = {kind: work for kind, work in self.left.items() if work > 0}
        if not all(self.worked[kind] for kind in left):
            return None
        computing = sum(work * self.seconds[kind] / self.worked[kind] for kind, work in left.items())
        at_once = self.seconds.total() / max(time.monotonic() - self.began, 1e-9)
        return computing / at_once if at_once else None
