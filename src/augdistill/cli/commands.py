"""What each command that composes a config does with it, once it is checked; the command line without Hydra."""

import logging
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from augdistill.base.errors import AugdistillError, RequestError, WorkError
from augdistill.base.text import duration, pluralise
from augdistill.cli.listing import all_scores, evaluations_table, scores_table, shifts_table
from augdistill.config import Config
from augdistill.config.checking import check_command, typed
from augdistill.config.commands import (
    AsTrained,
    DistillCommand,
    EvaluateAttackCommand,
    EvaluateCommand,
    ImportTeacherCommand,
    TrainTeacherCommand,
)
from augdistill.config.jobs import DataOf, ModelConfig, StudentConfig, TeacherConfig
from augdistill.config.studies import StudyConfig
from augdistill.store.evaluations import WEIGHTS
from augdistill.store.runs import Run, RunStore
from augdistill.trackers import check_installed

log = logging.getLogger(__name__)
M = TypeVar("M", bound=ModelConfig)


def train_teacher(composed: Config) -> Run:
    """Train one teacher, unless it is there."""
    config = typed(TrainTeacherCommand, composed)
    from augdistill.stages import teacher

    check_installed(config.tracker)
    run = teacher.run(job_of(TeacherConfig, config), config.wait, trackers=config.tracker)
    return report_model(run, config)


def distill(composed: Config) -> Run:
    """Distil one student, unless it is there."""
    config = typed(DistillCommand, composed)
    from augdistill.stages import student

    check_installed(config.tracker)
    run = student.run(job_of(StudentConfig, config), config.wait, trackers=config.tracker)
    return report_model(run, config)


def import_teacher(composed: Config) -> Run:
    """Import a teacher from elsewhere, unless it is there."""
    config = typed(ImportTeacherCommand, composed)
    from augdistill.stages import imported

    run = imported.run(config)
    print(f"it teaches by distillation.teacher={run.imported_name}: {run.path}")
    return run


def job_of(kind: type[M], config: ModelConfig) -> M:
    """Return a command's config as that of its job alone."""
    return kind(**{key: getattr(config, key) for key in kind.model_fields})


def report_model(run: Run, config: TrainTeacherCommand | DistillCommand) -> Run:
    """Evaluate a run where that is asked for, and print how accurate it is, its time and its folder, in one line.

    Returns the run. Raises WorkError, after that line, for one that diverged, and what went wrong with an evaluation.
    """
    from augdistill.stages import evaluating

    failed: list[AugdistillError] = []
    scores: list[Run] = []
    if run.status == "finished" and config.evaluate:
        data = config.dataset
        path = data.parameters().get("path")
        where = {"root": data.root, "verify": data.verify, "path": path}
        how = {"runtime": {"device": config.runtime.device, "threads": config.runtime.threads}, **where}
        scores = evaluating.evaluations_of(run, config.outputs, config.wait, how, {}, failed)
    took = duration(run.manifest.provenance.seconds)
    print(f"{accuracy_of(run, scores)}, {took}: {run.path}")
    if run.status != "finished":
        raise WorkError(f"{run.path.name} {run.status}: see {run.path / 'log'}; a lower optim.lr may train")
    if failed:
        raise failed[0]
    return run


def accuracy_of(run: Run, scores: Sequence[Run]) -> str:
    """Return a model's accuracy on its own test set, in words; on held-out images where there is none."""
    if run.status != "finished":
        return run.status
    if measured := [each.evaluation for each in scores if each.evaluation.accuracy is not None]:
        return f"accuracy {100 * (measured[0].accuracy or 0.0):.2f} % on {measured[0].test_set}"
    held_out = run.model.validation_accuracy
    return "not evaluated" if held_out is None else f"accuracy {100 * held_out:.2f} % on held-out images"


def study(composed: Config, typed_as: str | None = None) -> None:
    """Run a study's stages, skipping what is finished, then print its table; its plan keeps what was typed."""
    from augdistill.cli.planned import checked_plan, print_plan
    from augdistill.data import nothing_packed
    from augdistill.executors import chosen

    config = typed(StudyConfig, composed)
    check_installed(config.tracker)
    executor, store = chosen(config.executor), RunStore(Path(config.outputs))
    if config.dry_run:
        with nothing_packed():
            print_plan(checked_plan(config, store), store, config.executor)
        return
    plan = checked_plan(config, store)
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


def print_results(name: str, store: RunStore) -> None:
    """Print a study's accuracies, write its report, and say where the page is."""
    from augdistill.report.command import report
    from augdistill.report.console import accuracy_table, shift_lines
    from augdistill.results.study import SavedStudy

    saved = SavedStudy.load(name, store.outputs)
    frame = saved.results
    for test_set in dict.fromkeys(frame.test_set[frame.metric == "accuracy"]):
        if test_set != "distillation" and test_set not in saved.shift_sets:
            print(accuracy_table(frame, test_set), end="\n\n")
    if saved.shift_sets:
        print("\n".join(shift_lines(saved)), end="\n\n")
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
    from augdistill.stages import evaluating

    skipped: dict[str, None] = {}
    failed: list[AugdistillError] = []
    runs, where = to_evaluate(config)
    known = {run.id for run in RunStore(Path(config.outputs)).all("evaluation")}
    lie = DataOf("", config.outputs, where.root, where.verify, where.path)
    completed = evaluating.completed_runs(runs, lie, config.wait, failed)
    how = {
        "root": where.root,
        "verify": where.verify,
        "path": where.path,
        "normalisation": config.normalisation,
        "runtime": {"device": config.runtime.device, "threads": config.runtime.threads},
    }
    models = [run for run in runs if config.run or has_weights(run)]
    done = [
        made
        for run in models
        for made in evaluating.evaluations_of(run, config.outputs, config.wait, how, skipped, failed)
    ]
    done += [run for run in completed if run.path not in {made.path for made in done}]
    for why in skipped:
        log.warning("skipped: %s", why)
    shifts = [made for run in models for made in evaluating.shifts_of(run, config, where, failed)]
    print_evaluations([run for run in done if run.kind == "evaluation"], known - {run.id for run in completed}, config)
    if shifts:
        print(shifts_table(shifts))
    raise_failure(failed, config.run, "evaluation", "could not be made; all others are there")


def evaluate_attack(composed: Config) -> None:
    """Attack every finished run that was not attacked so yet, or one run, and print how accurate they still are."""
    config = typed(EvaluateAttackCommand, composed)
    from augdistill.stages import evaluating

    failed: list[AugdistillError] = []
    runs, where = to_evaluate(config)
    models = [run for run in runs if config.run or (run.status == "finished" and has_weights(run))]
    done = [made for run in models for made in evaluating.shifts_of(run, config, where, failed)]
    if done:
        print(shifts_table(done))
    raise_failure(failed, config.run, "run", "could not be attacked; all others were")


def raise_failure(failed: Sequence[AugdistillError], run: str | None, what: str, how: str) -> None:
    """Raise what went wrong with the one run that was asked for, or how many of all went wrong; nothing if none did."""
    if failed and run:
        raise failed[0]
    if failed:
        raise WorkError(f"{pluralise(len(failed), what)} {how}")


def print_evaluations(done: Sequence[Run], known: Collection[str], config: EvaluateCommand) -> None:
    """Print evaluations: those that are not known yet, all of one run or where all are asked for."""
    shown = [run for run in done if config.all or config.run or run.id not in known]
    if shown or not done:
        print(evaluations_table(shown))
    if len(shown) < len(done):
        print(f"{pluralise(len(done) - len(shown), 'evaluation')} were there already: all=true prints them, too")


def has_weights(run: Run) -> bool:
    """Return whether a run holds a model; of some imported teachers the outputs alone are known."""
    return run.status != "finished" or WEIGHTS in run.manifest.files


def to_evaluate(config: EvaluateCommand | EvaluateAttackCommand) -> tuple[list[Run], AsTrained]:
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
        raise RequestError(
            f"no runs below {store.outputs.resolve()}: make one with augdistill train-teacher, or name outputs="
        )
    if where.path is not None and not any("path" in run.config.dataset.parameters() for run in runs):
        raise RequestError(f"dataset.path={where.path}: none of these runs has seen a folder of images")
    return runs, where


def validate(command: str, composed: Config) -> None:
    """Raise RequestError for a job of a sweep that is refused for its values alone; writes nothing."""
    config = check_command(command, composed)
    check_installed(getattr(config, "tracker", ()))
    if isinstance(config, ModelConfig):
        from augdistill.stages.refusals import validate_values

        validate_values(config)
    elif isinstance(config, StudyConfig):
        from augdistill.study.claims import claims_of

        claims_of(config.study)
    elif isinstance(config, EvaluateAttackCommand) or (isinstance(config, EvaluateCommand) and not config.predictions):
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
