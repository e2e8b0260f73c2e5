"""How long the whole study `paper` takes on a GPU: some real epochs of each kind of its stages, extrapolated.

The stages are the study's own, run by the study's executor; the plan says how many there are, of how many epochs.
"""

import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from PIL import Image

from augdistill.cli.composing import compose
from augdistill.config.checking import typed
from augdistill.config.executors import Local
from augdistill.config.jobs import EvaluationConfig
from augdistill.config.studies import StudyConfig
from augdistill.data import cinic10
from augdistill.executors import local
from augdistill.executors.banks import Banks, banks_of
from augdistill.executors.devices import devices
from augdistill.store.runs import Run, RunStore
from augdistill.study.estimate import Rates, kind_of
from augdistill.study.plan import Plan, make_plan
from augdistill.study.stage import Stage
from benchmarks.measure import RowError
from benchmarks.sides import Setting

Ended = tuple[Stage, Run, float]  # and the seconds that it took its worker, from its job to its manifest

NAME = "paper"
TARGET = "GPU: the whole study 150 min, aim 75 min; its first block alone 30 min, aim 15 min"
EPOCHS = 11  # of each model that is trained: ten from one epoch's end to the next's
EACH = 2  # stages of each kind, the last: students that have teachers; and all teachers, for each strategy's own cost
ENDED = re.compile(r"^(\S+ \S+) INFO epoch \d+/", re.MULTILINE)  # in a run's log, to a thousandth of a second


def measure(setting: Setting, outputs: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Run a part of the study, with `overrides` of its config, and return and print what all of it would take."""
    outputs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=outputs) as folder:
        here = Path(folder)
        config = composed([*words_of(setting, here), *overrides])
        plan, store = make_plan(config), RunStore(here / "outputs")
        epochs = 2 if setting.quick else EPOCHS
        trained = ["teacher", *(f"students.{name}" for name in plan.study.students)]
        fewer = [f"study.{model}.optim.epochs={epochs}" for model in trained]
        chosen = part_of(make_plan(composed([*words_of(setting, here), *overrides, *fewer])), config.executor)
        results = local.run(chosen, store, config.executor)
        if results.failed:
            raise RowError(f"stages failed: {[outcome.error for outcome in results.failed.values()]}")
        ended = {id: outcome.seconds for id, outcome in results.outcomes.items()}
        runs = [(stage, run, ended[stage.id]) for stage in chosen.stages if (run := store.find(stage.ref)) is not None]
        return told(plan, runs, config.executor, epochs, overrides)


def words_of(setting: Setting, here: Path) -> list[str]:
    """Return the overrides that make a study's config, its outputs and, where they need be, its data below `here`."""
    where = f"outputs={here / 'outputs'}"
    if setting.quick:
        few = "study.students_per_teacher=2"
        return ["study=tiny", few, "study.blocks=3", "executor.workers=1", "executor.bank=2", where]
    root = whole_data(setting, here / "data").absolute()
    return [f"study={NAME}", "study.dataset.verify=false", f"study.dataset.root={root}", "study.costs=false", where]


def composed(words: list[str]) -> StudyConfig:
    """Return the typed config of `augdistill study` with these overrides."""
    found = OmegaConf.to_container(compose.composed("study", words, None), resolve=True)
    assert isinstance(found, dict)
    return typed(StudyConfig, {str(key): value for key, value in found.items()})


def whole_data(setting: Setting, folder: Path) -> Path:
    """Return a root of data with all of CINIC-10; where it is not, CIFAR-10's test images stand in, as many."""
    files = sum(1 for _ in (setting.root / cinic10.FOLDER).glob("*/*.png"))
    if files >= cinic10.FULL:
        return setting.root
    if not folder.is_dir():
        print(f"  CINIC-10 has {files} images here: CIFAR-10's stand in for its {cinic10.FULL:,}", flush=True)
        folder.mkdir()
        for entry in setting.root.iterdir():
            if entry.name != cinic10.FOLDER.parts[0]:
                (folder / entry.name).symlink_to(entry.absolute())
        stand_in(setting, folder, cinic10.FULL)
    return folder


def stand_in(setting: Setting, root: Path, count: int) -> None:
    """Write so many images into where CINIC-10 is below a root: the test images, linked again and again."""
    images = setting.data("test")
    for name in images.header.classes:
        (root / cinic10.FOLDER / name).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        again, row = divmod(index, len(images.images))
        folder = root / cinic10.FOLDER / images.header.classes[images.labels[row]]
        if again:
            (folder / f"{row}-{again}.png").hardlink_to(folder / f"{row}-0.png")
        else:
            Image.fromarray(images.images[row].transpose(1, 2, 0)).save(folder / f"{row}-0.png")


def part_of(plan: Plan, executor: Local) -> Plan:
    """Return the stages of a plan's first block that show every kind of work, whole banks, and what these wait for."""
    banks: Banks = banks_of(plan, executor.bank, on_gpu=bool(devices(plan)))
    seen: Counter[Any] = Counter()
    chosen: set[str] = set()
    for stage in reversed(plan.stages):
        if stage.arm["block"] == plan.study.first_block:
            seen[kind_of(stage)] += 1
            if stage.kind == "teacher" or seen[kind_of(stage)] <= EACH:
                chosen |= {stage.id, *(member.id for member in banks.get(stage.id, ()))}
    for stage in reversed(plan.stages):
        if stage.id in chosen:
            chosen |= set(stage.parents)
    return replace(plan, stages=[stage for stage in plan.stages if stage.id in chosen])


def lasts(run: Run, seconds: float, epochs: int) -> float:
    """Return how long a run would take with so many epochs: what it took, and for each more the median of its epochs.

    A student of a bank takes its share of both; `seconds` is so already.
    """
    log = (run.path / "log").read_text() if run.kind in ("teacher", "student") else ""
    ends = [datetime.strptime(when, "%Y-%m-%d %H:%M:%S,%f") for when in ENDED.findall(log)]
    if not ends:
        return seconds
    epoch = statistics.median((after - before).total_seconds() for before, after in pairwise(ends))
    students = max(1, len(run.manifest.provenance.bank))
    return seconds + (epochs - len(ends)) * epoch / students


def told(plan: Plan, runs: Sequence[Ended], executor: Local, epochs: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Return and print what the whole plan and its first block take by these runs, with what the executor runs at once.

    Raises RowError where no run tells of a kind of stage.
    """
    rates, cuda = learned(plan, runs), devices(plan)
    at_once = executor.per_device * len(cuda) if cuda else executor.at_once
    # On a GPU a stage takes a place of it, however many threads it has.
    stages = [replace(stage, threads=1) for stage in plan.stages] if cuda else plan.stages
    first = [stage for stage in stages if stage.arm["block"] == plan.study.first_block]
    print(f"  {epochs} epochs, {len(runs)} runs; extrapolated, {at_once} at once, without the report:")
    found: dict[str, Any] = {"overrides": list(overrides), "epochs": epochs, "at_once": at_once}
    for name, some in (("the whole study", stages), ("its first block", first)):
        left = rates.left(some, at_once)
        if left.unknown:
            raise RowError(f"no run tells of {left.unknown}")
        found[name] = {"stages": len(some), "minutes": left.waiting / 60, "computing_minutes": left.computing / 60}
        print(f"  {name}, extrapolated: {left.waiting / 60:.1f} min for {len(some)} stages", flush=True)
    return {**found, "kinds": kinds(plan, rates), "left_out": dict(plan.skipped)}


def learned(plan: Plan, runs: Sequence[Ended]) -> Rates:
    """Return how long a plan's stages take by runs with fewer epochs."""
    rates, like = Rates(plan), {kind_of(stage): stage for stage in plan.stages}
    for stage, run, seconds in runs:
        whole = like[kind_of(stage)]
        epochs = 0 if isinstance(whole.config, EvaluationConfig) else whole.config.optim.epochs
        rates.learn(whole, lasts(run, seconds, epochs))
    return rates


def kinds(plan: Plan, rates: Rates) -> dict[str, dict[str, float]]:
    """Return and print how many stages of a kind there are, how long one takes, by how many runs; and what is not."""
    found = {}
    like = {kind_of(stage): stage for stage in plan.stages}
    for kind, count in Counter(map(kind_of, plan.stages)).items():
        name, seconds, runs = kind[0].rstrip("-"), rates.seconds(like[kind]) or 0.0, len(rates.seen[kind])
        found[" ".join(kind)] = {"stages": count, "seconds": seconds, "runs": runs}
        print(f"    {count:4} {name:60} {seconds:9.2f} s each, told by {runs} runs")
    for test_set, why in plan.skipped.items():
        print(f"  left out, {test_set}: {why}")
    return found
