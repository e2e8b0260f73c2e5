"""What each command does with its config, a plain dictionary; the command line without Hydra."""

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from augdistill.config import Config, require
from augdistill.config.checking import check_command
from augdistill.errors import AugdistillError, NoMemoryError, RequestError, WorkError
from augdistill.listing import (
    all_scores,
    data_status,
    evaluations_table,
    examine,
    list_runs,
    remove_run,
    scores_table,
    show_run,
    verify_runs,
)
from augdistill.report.labels import counted
from augdistill.runs import Run, RunStore, duration
from augdistill.schemas import KINDS

if TYPE_CHECKING:
    from augdistill.study.plan import Plan

log = logging.getLogger(__name__)


def train_teacher(config: Config) -> None:
    """Train one teacher, unless it is there."""
    config = check_command("train-teacher", config)
    wait = config.pop("wait")
    from augdistill.stages import teacher

    tell(teacher.run(config, wait))


def distill(config: Config) -> None:
    """Distil one student, unless it is there."""
    config = check_command("distill", config)
    wait = config.pop("wait")
    from augdistill.stages import student

    tell(student.run(config, wait))


def tell(run: Run) -> None:
    """Print where a run is; DivergedError's exit code if it diverged."""
    print(run.path)
    if run.status != "finished":
        raise WorkError(f"{run.path.name} {run.status}: see {run.path / 'log'}; a lower optim.lr may train")


def study(config: Config) -> None:
    """Run a study's stages, skipping what is finished, then print its table."""
    from augdistill.executors import chosen
    from augdistill.executors.devices import refuse_without_cuda
    from augdistill.executors.space import refuse_if_too_full
    from augdistill.report.claims import check_claims
    from augdistill.study.plan import make_plan

    config = check_command("study", config)
    executor = chosen(config["executor"])
    check_claims(config["study"])
    plan = make_plan(config)
    store = RunStore(Path(config["outputs"]))
    for test_set, why in plan.skipped.items():
        log.warning("no evaluation on %s: %s", test_set, why)
    if any(store.find(stage.ref) is None for stage in plan.stages):
        from augdistill.stages.refusals import refuse_choices

        refuse_without_cuda(plan, config["executor"])
        refuse_choices(plan.study, plan.choices)
        refuse_if_too_full(plan, store, config["executor"])
    if config["dry_run"]:
        print_plan(plan, store, config["executor"])
        return
    plan.save(store.outputs / "studies" / plan.name)
    results = executor.run(plan, store, config["executor"])
    if results.queued:
        waiting = f"{counted(results.queued, 'stage')} in the queue"
        print(f"{waiting}: add dry_run=true to see how that stands, or repeat this to wait")
        return
    print_results(plan.name, store)
    if results.failed or results.blocked:
        folders = {stage.id: stage.folder for stage in plan.stages}
        for id, outcome in results.failed.items():
            print(f"failed: {store.runs / folders[id]}: {outcome.error} (see its log)", file=sys.stderr)
        for id, cause in results.blocked.items():
            print(f"not run: {folders[id]}, which needs {cause}", file=sys.stderr)
        failed = [f"{counted(len(results.failed), 'stage')} failed"] if results.failed else []
        blocked = [f"{len(results.blocked)} not run for want of others"] if results.blocked else []
        raise WorkError(f"{', '.join(failed + blocked)}: the same command goes on with what is missing")


def print_plan(plan: "Plan", store: RunStore, executor: Config) -> None:
    """Print what of a plan is there and what is not, and how long the rest takes if finished runs tell."""
    from augdistill.executors import standings
    from augdistill.study.estimate import time_left

    found = standings(plan, store, executor)
    for stage in plan.stages:
        state, why = found[stage.id].state, found[stage.id].why
        print(f"{state:10} {stage.folder}{f' ({why})' if why else ''}")
    kinds = Counter(stage.kind for stage in plan.stages if found[stage.id].state not in ("finished", "diverged"))
    todo = ", ".join(counted(kinds[kind], kind.removesuffix("s")) for kind in KINDS if kinds[kind])
    print(f"{len(plan.stages) - kinds.total()} of {len(plan.stages)} stages are there; to do: {todo or 'nothing'}")
    if not kinds:
        return
    workers = executor.get("workers") or os.cpu_count() or 1
    left, runs = time_left(plan, store, workers)
    if left.computing:
        print(
            f"time left: about {duration(left.waiting)} with {workers} at once, {duration(left.computing)} one by one, "
            f"told by {runs} finished runs of the same kinds"
        )
    for kind, count in left.unknown.items():
        print(f"no finished run tells how long these take: {count} {kind}")


def print_results(name: str, store: RunStore) -> None:
    """Print a study's accuracies, write its report, and say where the page is."""
    from augdistill.report.command import write_report
    from augdistill.report.console import accuracy_table
    from augdistill.report.results import load_plan, load_results

    frame = load_results(load_plan(store.outputs, name), store)
    for test_set in dict.fromkeys(frame.test_set[frame.metric == "accuracy"]):
        if test_set != "distillation":
            print(accuracy_table(frame, test_set), end="\n\n")
    page, answers = write_report([name], store.outputs)
    print("\n".join([*answers, f"report: {page}"]))


def evaluate(config: Config) -> None:
    """Evaluate every finished run that has no current evaluation, or one run; or score predictions made elsewhere."""
    config = check_command("evaluate", config)
    if config["predictions"] is not None:
        from augdistill.stages.predictions import score_file

        scored = score_file(config)
        what = Path(config["predictions"]).name
        print(scores_table([(test_set, scores.scalars, what) for test_set, scores in scored.items()]))
        print(all_scores(scored))
        return
    store = RunStore(Path(config["outputs"]))
    runs = [store.get(config["run"])] if config["run"] else store.all("teacher") + store.all("student")
    if not runs:
        raise RequestError(f"no runs below {store.outputs}: make one with augdistill train-teacher, or name outputs=")
    done: list[Run] = []
    skipped: dict[str, str] = {}
    failed: list[AugdistillError] = []
    for run in runs:
        done += evaluations_of(run, config, skipped, failed)
    for why in skipped.values():
        log.warning("skipped: %s", why)
    print(evaluations_table(done))
    if failed and config["run"]:
        raise failed[0]
    if failed:
        raise WorkError(f"{counted(len(failed), 'evaluation')} could not be made; all others are there")


def evaluations_of(run: Run, config: Config, skipped: dict[str, str], failed: list[AugdistillError]) -> list[Run]:
    """Return the evaluations of a run, made where they are not there; one that cannot be made goes to `failed`.

    Test sets that are not there go to `skipped`.
    """
    from augdistill.stages import evaluation, names

    if run.status != "finished":
        log.warning("%s %s: nothing to evaluate", run.path.name, run.status)
        return []
    done: list[Run] = []
    told = {key: config["dataset"][key] for key in ("root", "verify") if config["dataset"][key] is not None}
    with keeping(failed, run.path.name):
        dataset = {**run.config["dataset"], **told}
        for test_set in dataset["test_sets"]:
            job = names.evaluation_config(run.path.name, test_set, config["outputs"], **told)
            job = {**job, "normalisation": config["normalisation"], "runtime": config["runtime"]}
            with keeping(failed, f"{run.path.name} on {test_set}"):
                if why := names.missing_test_set(test_set, {"dataset": dataset, "outputs": config["outputs"]}):
                    skipped.setdefault(test_set, why)
                else:
                    done.append(evaluation.run(job, config["wait"]))
    return done


@contextmanager
def keeping(failed: list[AugdistillError], what: str) -> Iterator[None]:
    """Log and keep an error that is about one evaluation alone, so that the others are made."""
    try:
        yield
    except (RequestError, NoMemoryError) as error:
        log.error("%s cannot be evaluated: %s", what, error)
        failed.append(error)


def report(config: Config) -> None:
    """Write a study's tables, figures, verdicts and page from saved results alone."""
    from augdistill.report.command import report as write_report

    config = check_command("report", config)
    write_report({"study": config.pop("studies"), **config})


def compare(config: Config) -> None:
    """Print a contrast of two arms of a study."""
    from augdistill.report.contrasts import contrast

    config = check_command("compare", config)
    print(contrast({"study": config.pop("studies"), **config}))


def runs(config: Config) -> None:
    """List, show, verify or remove runs."""
    config = check_command("runs", config)
    actions = {"list": list_runs, "show": show_run, "verify": verify_runs, "remove": remove_run}
    if config["watch"]:
        from augdistill.watching import watch

        require(config["action"] == "list", "watch", True, "with list alone: augdistill runs list [KIND] --watch")
        watch(RunStore(Path(config["outputs"])), config["target"], config["watch_seconds"])
        return
    print(actions[config["action"]](RunStore(Path(config["outputs"])), config["target"]))


def data(config: Config) -> None:
    """Say which datasets are there, or fetch one from its publisher."""
    from augdistill.data import fetch

    config = check_command("data", config)
    root = Path(config["dataset"]["root"])
    if config["action"] == "fetch":
        if config["target"] is None:
            raise RequestError("fetch what? type augdistill data fetch cifar10 (or mnist, cinic10, cifar10h)")
        fetch(config["target"], root)
    print(data_status(root, Path(config["outputs"]) / "cache"))


def doctor(config: Config) -> None:
    """Say what this machine has and what augdistill will do with it."""
    config = check_command("doctor", config)
    print(examine(config["runtime"], Path(config["dataset"]["root"]), Path(config["outputs"])))
