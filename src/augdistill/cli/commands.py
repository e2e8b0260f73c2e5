"""What each command that composes a config does with it, once it is checked; the command line without Hydra."""

import logging
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from augdistill.base.errors import AugdistillError, NoMemoryError, RequestError, WorkError
from augdistill.base.text import duration, pluralise
from augdistill.cli.listing import all_scores, evaluations_table, scores_table
from augdistill.config import Config
from augdistill.config.checking import check_command, typed
from augdistill.config.commands import AsTrained, DistillCommand, EvaluateCommand, TrainTeacherCommand
from augdistill.config.executors import Executor, Slurm
from augdistill.config.jobs import DataOf, DatasetAt, ModelConfig, StudentConfig, TeacherConfig
from augdistill.config.studies import StudyConfig
from augdistill.store.documents import KINDS
from augdistill.store.runs import Run, RunStore

if TYPE_CHECKING:
    from augdistill.study.plan import Plan

log = logging.getLogger(__name__)
M = TypeVar("M", bound=ModelConfig)


def train_teacher(composed: Config) -> None:
    """Train one teacher, unless it is there."""
    config = typed(TrainTeacherCommand, composed)
    from augdistill.stages import teacher

    report_run(teacher.run(job_of(TeacherConfig, config), config.wait))


def distill(composed: Config) -> None:
    """Distil one student, unless it is there."""
    config = typed(DistillCommand, composed)
    from augdistill.stages import student

    report_run(student.run(job_of(StudentConfig, config), config.wait))


def job_of(kind: type[M], config: ModelConfig) -> M:
    """Return a command's config as that of its job alone."""
    return kind(**{key: getattr(config, key) for key in kind.model_fields})


def report_run(run: Run) -> None:
    """Print where a run is; DivergedError's exit code if it diverged."""
    print(run.path)
    if run.status != "finished":
        raise WorkError(f"{run.path.name} {run.status}: see {run.path / 'log'}; a lower optim.lr may train")


def study(composed: Config, typed_as: str | None = None) -> None:
    """Run a study's stages, skipping what is finished, then print its table; its plan keeps what was typed."""
    from augdistill.executors import chosen
    from augdistill.executors.devices import check_cuda
    from augdistill.executors.space import check_space
    from augdistill.study.plan import make_plan

    config = typed(StudyConfig, composed)
    plan = make_plan(config)
    executor = chosen(config.executor)
    store = RunStore(Path(config.outputs))
    for test_set, why in plan.skipped.items():
        log.warning("no evaluation on %s: %s", test_set, why)
    if any(store.find(stage.ref) is None for stage in plan.stages):
        from augdistill.stages.refusals import validate_choices

        check_cuda(plan, config.executor)
        validate_choices(plan.study, plan.choices)
        check_space(plan, store, config.executor)
        if isinstance(config.executor, Slurm):
            from augdistill.executors.slurm import enough_cpus

            for stage in plan.stages:
                enough_cpus(stage, config.executor)
    if config.dry_run:
        print_plan(plan, store, config.executor)
        return
    plan.save(store.outputs / "studies" / plan.name, typed_as)
    results = executor.run(plan, store, config.executor)
    if results.queued:
        waiting = f"{pluralise(results.queued, 'stage')} in the queue"
        print(f"{waiting}: add dry_run=true to see how that stands, or repeat this to wait")
        return
    print_results(plan.name, store)
    if results.failed or results.blocked:
        folders = {stage.id: stage.folder for stage in plan.stages}
        for id, outcome in results.failed.items():
            print(f"failed: {store.runs / folders[id]}: {outcome.error} (see its log)", file=sys.stderr)
        for id, cause in results.blocked.items():
            print(f"not run: {folders[id]}, which needs {cause}", file=sys.stderr)
        failed = [f"{pluralise(len(results.failed), 'stage')} failed"] if results.failed else []
        blocked = [f"{len(results.blocked)} not run for want of others"] if results.blocked else []
        raise WorkError(f"{', '.join(failed + blocked)}: the same command goes on with what is missing")


def print_plan(plan: "Plan", store: RunStore, executor: Executor) -> None:
    """Print what of a plan is there and what is not, and how long the rest takes if finished runs tell."""
    from augdistill.executors import stage_statuses
    from augdistill.study.estimate import time_left

    found = stage_statuses(plan, store, executor)
    for stage in plan.stages:
        state, why = found[stage.id].state, found[stage.id].why
        print(f"{state:10} {stage.folder}{f' ({why})' if why else ''}")
    kinds = Counter(stage.kind for stage in plan.stages if found[stage.id].state not in ("finished", "diverged"))
    todo = ", ".join(pluralise(kinds[kind], kind.removesuffix("s")) for kind in KINDS if kinds[kind])
    print(f"{len(plan.stages) - kinds.total()} of {len(plan.stages)} stages are there; to do: {todo or 'nothing'}")
    if not kinds:
        return
    workers = executor.at_once
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
    from augdistill.report.command import report
    from augdistill.report.console import accuracy_table
    from augdistill.results.study import SavedStudy

    frame = SavedStudy.load(name, store.outputs).results
    for test_set in dict.fromkeys(frame.test_set[frame.metric == "accuracy"]):
        if test_set != "distillation":
            print(accuracy_table(frame, test_set), end="\n\n")
    report(name, store.outputs)


def evaluate(composed: Config) -> None:
    """Evaluate every finished run that has no current evaluation, or one run; or score predictions made elsewhere."""
    config = typed(EvaluateCommand, composed)
    if config.predictions is not None:
        from augdistill.stages.predictions import score_file

        scored = score_file(config)
        what = Path(config.predictions).name
        print(scores_table([(test_set, scores.scalars, what) for test_set, scores in scored.items()]))
        print(all_scores(scored))
        return
    skipped: dict[str, None] = {}
    failed: list[AugdistillError] = []
    runs, where = to_evaluate(config)
    completed = completed_runs(runs, config, where, failed)
    done = [made for run in runs for made in evaluations_of(run, config, where, skipped, failed)]
    done += [run for run in completed if run.path not in {made.path for made in done}]
    for why in skipped:
        log.warning("skipped: %s", why)
    print(evaluations_table([run for run in done if run.kind == "evaluation"]))
    if failed and config.run:
        raise failed[0]
    if failed:
        raise WorkError(f"{pluralise(len(failed), 'evaluation')} could not be made; all others are there")


def to_evaluate(config: EvaluateCommand) -> tuple[list[Run], AsTrained]:
    """Return the runs that a config names, at least one, and where their data lie now."""
    where = config.dataset
    if not isinstance(where, AsTrained):
        raise RequestError(
            "dataset=NAME is for predictions=FILE: a run is evaluated on the test sets of its own dataset; where that "
            "lies now say dataset.root=FOLDER, or dataset.path=FOLDER for your own images"
        )
    store = RunStore(Path(config.outputs))
    runs = [store.get(config.run)] if config.run else store.all("teacher") + store.all("student")
    if not runs:
        raise RequestError(f"no runs below {store.outputs}: make one with augdistill train-teacher, or name outputs=")
    if where.path is not None and not any("path" in run.config.dataset.parameters() for run in runs):
        raise RequestError(f"dataset.path={where.path}: none of these runs has seen a folder of images")
    return runs, where


def evaluations_of(
    run: Run, config: EvaluateCommand, where: AsTrained, skipped: dict[str, None], failed: list[AugdistillError]
) -> list[Run]:
    """Return the evaluations of a run, made where they are not there; one that cannot be made goes to `failed`.

    Why test sets are not there goes to `skipped`.
    """
    from augdistill.stages import evaluation, names

    if run.status != "finished":
        log.warning("%s %s: nothing to evaluate", run.path.name, run.status)
        return []
    done: list[Run] = []
    how = {
        "root": where.root,
        "verify": where.verify,
        "path": where.path,
        "normalisation": config.normalisation,
        "runtime": {"device": config.runtime.device, "threads": config.runtime.threads},
    }
    for test_set in run.config.dataset.test_sets:
        job = names.evaluation_config(run.path.name, test_set, config.outputs, **how)
        with keeping(failed, f"{run.path.name} on {test_set}"):
            dataset = names.located(job, run.config.dataset, run.manifest.document.data)
            if why := names.missing_test_set(test_set, DatasetAt(dataset, config.outputs)):
                skipped[why] = None
            else:
                done.append(evaluation.run(job, config.wait))
    return done


def completed_runs(
    runs: list[Run], config: EvaluateCommand, where: AsTrained, failed: list[AugdistillError]
) -> list[Run]:
    """Return the evaluations, and teachers' outputs, of runs to which a metric was added that is newer than they."""
    from augdistill.stages import completion

    completed = []
    for run in completion.scored_runs(RunStore(Path(config.outputs)), runs):
        with keeping(failed, run.path.name):
            lies = DataOf(str(run.manifest.config.get("run", "")), config.outputs, where.root, where.verify, where.path)
            found = completion.complete(run, lies, config.wait)
            completed += [found] if found is not run else []
    return completed


@contextmanager
def keeping(failed: list[AugdistillError], what: str) -> Iterator[None]:
    """Log and keep an error that is about one evaluation alone, so that the others are made."""
    try:
        yield
    except (RequestError, NoMemoryError) as error:
        log.error("%s cannot be evaluated: %s", what, error)
        failed.append(error)


def validate(command: str, composed: Config) -> None:
    """Raise RequestError for a job of a sweep that is refused for its values alone; writes nothing."""
    config = check_command(command, composed)
    if isinstance(config, ModelConfig):
        from augdistill.stages.refusals import validate_values

        validate_values(config)
    elif isinstance(config, StudyConfig):
        from augdistill.study.claims import claims_of

        claims_of(config.study)
    elif isinstance(config, EvaluateCommand) and config.predictions is None:
        to_evaluate(config)


def validate_here(command: str, composed: Config) -> None:
    """Raise RequestError for a job of a sweep that this machine, its data or runs refuse; writes the cache alone."""
    from augdistill.stages import refusals

    config = check_command(command, composed)
    if isinstance(config, StudyConfig):
        from augdistill.study.plan import make_plan

        plan = make_plan(config)
        refusals.validate_choices(plan.study, plan.choices)
    elif isinstance(config, ModelConfig):
        from augdistill.stages import common, student

        common.device_of(config.runtime)
        if isinstance(config, StudentConfig):  # whose teacher may be missing, which is seen without data
            config = student.named(config, RunStore(Path(config.outputs)), None).config
        refusals.validate(config)
