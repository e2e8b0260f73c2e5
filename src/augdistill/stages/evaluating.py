"""Evaluate models on all of their test sets: what cannot be made is kept apart, and all others are made."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from augdistill.base.errors import AugdistillError, NoMemoryError, RequestError
from augdistill.config.commands import AsTrained, EvaluateAttackCommand, EvaluateCommand
from augdistill.config.jobs import DataOf, DatasetAt, EvaluationRuntime, ShiftConfig
from augdistill.config.shift import Attack, Corruptions, Unknown
from augdistill.stages import completion, evaluation, names, shift
from augdistill.store.runs import Run, RunStore

log = logging.getLogger("augdistill")


def evaluations_of(
    run: Run,
    outputs: str,
    wait: bool,
    how: Mapping[str, Any],
    skipped: dict[str, None],
    failed: list[AugdistillError],
) -> list[Run]:
    """Return the evaluations of a run, made where they are not there; one that cannot be made goes to `failed`.

    `how` is what of an evaluation's config is asked for. Why test sets are not there goes to `skipped`.
    """
    if run.status != "finished":
        log.warning("%s %s: nothing to evaluate", run.path.name, run.status)
        return []
    done: list[Run] = []
    for test_set in run.config.dataset.test_sets:
        job = names.evaluation_config(run.path.name, test_set, outputs, **how)
        with keeping(failed, f"{run.path.name} on {test_set}"):
            dataset = names.located(job, run.config.dataset, run.manifest.document.data)
            if why := names.missing_test_set(test_set, DatasetAt(dataset, outputs)):
                skipped[why] = None
            else:
                done.append(evaluation.run(job, wait))
    return done


def shifts_of(
    run: Run, config: EvaluateCommand | EvaluateAttackCommand, where: AsTrained, failed: list[AugdistillError]
) -> list[Run]:
    """Return the evaluations under shift of a run that a command asks for, made where they are not there.

    One that cannot be made goes to `failed`.
    """
    if run.status != "finished":
        return []
    source = config.source if isinstance(config, EvaluateAttackCommand) else None
    asked: list[Corruptions | Attack | Unknown] = (
        [config.attack] if isinstance(config, EvaluateAttackCommand) else [*config.corruptions, *config.unknown]
    )
    done = []
    for under in asked:
        job = ShiftConfig(
            run=run.path.name,
            outputs=config.outputs,
            under=under,
            source=source,
            root=where.root,
            verify=where.verify,
            path=where.path,
            runtime=EvaluationRuntime(device=config.runtime.device, threads=config.runtime.threads),
        )
        with keeping(failed, f"{run.path.name} under {under.name}"):
            done.append(shift.run(job, config.wait))
    return done


def completed_runs(runs: list[Run], where: DataOf, wait: bool, failed: list[AugdistillError]) -> list[Run]:
    """Return the evaluations, and teachers' outputs, of runs to which a metric was added that is newer than they.

    `where` says where the data lie, of whichever run.
    """
    completed = []
    for run in completion.scored_runs(RunStore(Path(where.outputs)), runs):
        with keeping(failed, run.path.name):
            lies = replace(where, run=str(run.manifest.config.get("run", "")))
            found = completion.complete(run, lies, wait)
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
