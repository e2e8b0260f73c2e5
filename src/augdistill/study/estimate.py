"""How long a study still takes: by the times of finished runs of the same kind, and as its stages end."""

import statistics
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from augdistill.base.checks import file_name
from augdistill.config.checking import OF_RUNS
from augdistill.config.jobs import CostsConfig, EvaluationConfig, ModelConfig, RunConfig, ShiftConfig, StudentConfig
from augdistill.store.runs import Run, RunStore
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage, StageConfig

Kind = tuple[str, str]
"""how its folders' names begin, and what else counts"""


@dataclass(frozen=True)
class Remaining:
    """What is left to do: `computing` seconds one stage after the other, `waiting` seconds on all workers.

    `unknown` counts the stages, by the beginning of their folders' names, of which no finished run tells the time.
    """

    computing: float
    waiting: float
    unknown: dict[str, int]


class Rates:
    """Seconds per unit of work of every kind of stage, learnt from finished runs; their median counts.

    A unit is an image in an epoch where a model is trained, else a whole stage: the data are the same.
    """

    def __init__(self, plan: Plan) -> None:
        self.images = plan.images
        self.seen: dict[Kind, list[float]] = {}

    def learn(self, stage: Stage, seconds: float) -> None:
        """Take in how long a stage of a plan took."""
        self.seen.setdefault(kind_of(stage), []).append(seconds / self.work(stage.kind, stage.config))

    def learn_from(self, runs: Iterable[Run], wanted: Iterable[Kind]) -> None:
        """Take in the times of any finished runs that are of a wanted kind."""
        kinds = set(wanted)
        for run in runs:
            for kind in (kind for kind in kinds if run.path.name.startswith(kind[0])):
                config = run.config if run.kind not in OF_RUNS else None
                if run.status == "finished" and settings(run.kind, config) == kind[1]:
                    seconds = run.manifest.provenance.seconds
                    self.seen.setdefault(kind, []).append(seconds / self.work(run.kind, config))

    def work(self, kind: str, config: StageConfig | None) -> float:
        """Return the units of work of a job."""
        if kind not in ("teacher", "student") or not isinstance(config, ModelConfig):
            return 1
        return float(config.optim.epochs * max(1, self.images - config.dataset.validation))

    def seconds(self, stage: Stage) -> float | None:
        """Return how long a stage will take, None where nothing tells."""
        seen = self.seen.get(kind_of(stage))
        return statistics.median(seen) * self.work(stage.kind, stage.config) if seen else None

    def left(self, stages: Iterable[Stage], workers: int) -> Remaining:
        """Return what is left where these stages are to do, parents first, on so many one-thread workers.

        No schedule is shorter than all work shared out evenly, nor than the longest chain of stages that wait for each
        other; the longer of the two is taken, which lists of many short stages come close to.
        """
        computing = shared = 0.0
        ends: dict[str, float] = {}
        unknown: Counter[str] = Counter()
        for stage in stages:
            seconds = self.seconds(stage)
            if seconds is None:
                unknown[kind_of(stage)[0].rstrip("-")] += 1
            computing += seconds or 0.0
            shared += (seconds or 0.0) * min(stage.threads, workers) / workers
            ends[stage.id] = (seconds or 0.0) + max((ends.get(parent, 0.0) for parent in stage.parents), default=0.0)
        return Remaining(computing, max(shared, *ends.values(), 0.0), dict(unknown))


def kind_of(stage: Stage) -> Kind:
    """Return the kind of a stage: runs of one kind on one machine take the same time for the same work."""
    config, model = stage.config, file_name(stage.arm["model"])
    if isinstance(config, EvaluationConfig | ShiftConfig):
        return f"{stage.kind}-{stage.arm['test_set']}-{config.run[: config.run.index(model)]}{model}-", ""
    if isinstance(config, CostsConfig):
        return f"{stage.kind}-", ""
    return f"{stage.kind}-{file_name(config.dataset.label)}-{model}-", settings(stage.kind, config)


def settings(kind: str, config: RunConfig | None) -> str:
    """Return what beside kind, dataset and model decides a job's time: the model's size, and who sees which images."""
    if kind == "student" and isinstance(config, StudentConfig):
        views = f"{config.distillation.view} {config.distillation.inputs}"
        return f"{config.student.plain()} {bool(config.student_aug.ops)} {views}"
    return f"{config.teacher.plain()}" if isinstance(config, ModelConfig) else ""


def time_left(plan: Plan, store: RunStore, workers: int) -> tuple[Remaining, int]:
    """Return what of a plan is left, and how many finished runs it was told from.

    Runs of other studies are asked where this one has none of a kind yet.
    """
    rates = Rates(plan)
    todo = []
    for stage in plan.stages:
        run = store.find(stage.ref)
        if run is None:
            todo.append(stage)
        elif run.status == "finished":
            rates.learn(stage, run.manifest.provenance.seconds)
    missing = {kind_of(stage) for stage in todo} - set(rates.seen)
    if missing:
        rates.learn_from(store.all(), missing)
    used = {kind_of(stage) for stage in todo}
    return rates.left(todo, workers), sum(len(seen) for kind, seen in rates.seen.items() if kind in used)


class EtaEstimator:
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
