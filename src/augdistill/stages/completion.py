"""Add metrics that evaluations lack, because these are older than they, from what was saved: no model is run."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.errors import DataError
from augdistill.base.files import as_json
from augdistill.base.logs import run_log
from augdistill.base.reading import read_json
from augdistill.base.text import removal
from augdistill.config.jobs import DataOf, DatasetAt, SaysWhere
from augdistill.data import HUMAN_LABELS, load_human_labels, test_set_name
from augdistill.metrics import METRICS, Scores, due, score
from augdistill.stages import common, names, outputs
from augdistill.stages.evaluation import predictions, teacher_outputs, validation_logits
from augdistill.store.evaluations import METRICS_FILE, evaluated_run, sibling, sources, teacher_evaluation
from augdistill.store.runs import Run, RunStore
from augdistill.store.scores import SavedScores

log = logging.getLogger("augdistill")


def scored_runs(store: RunStore, models: list[Run]) -> Iterator[Run]:
    """Yield every evaluation of some models, and the outputs of those that are teachers."""
    folders, ids = {model.path.name for model in models}, {model.id for model in models}
    yield from (run for run in store.all("evaluation") if run.manifest.config["run"] in folders)
    parents = ((run, run.manifest.document.parents.get("teacher")) for run in store.all("outputs"))
    yield from (run for run, teacher in parents if teacher in ids)


def complete(run: Run, where: SaysWhere, wait: bool = True) -> Run:
    """Return an evaluation or a teacher's outputs with every metric that is due; the others stay as they are.

    `where` says where the data of the run lie now that is evaluated. Raises RunError for damaged files, DataError where
    labels of images or of people are needed and are not there.
    """
    store = RunStore(Path(where.outputs))
    if not lacking(run, store):
        return run
    with store.writing(run.ref, wait) as folder, run_log(folder):
        run = store.get(run.path.name)
        names_of = lacking(run, store)  # another process may have been quicker
        if not names_of:
            return run
        found = scores_of_outputs(run, where, names_of) if run.kind == "outputs" else rescored(run, where, names_of)
        held = saved_scores(run)
        scalars = {**held.scalars, **found.scalars}
        order = dict.fromkeys([*METRICS, *scalars])  # those of a metric that is no longer known last
        arrays = held.arrays.model_dump(exclude_unset=True)
        completed = Scores({name: scalars[name] for name in order if name in scalars}, arrays, held.scaling)
        log.info("%s completed by %s", run.path.name, ", ".join(names_of))
        return store.rewrite(run, METRICS_FILE, as_json(completed.to_json()))


def lacking(run: Run, store: RunStore) -> list[str]:
    """Return the metrics that are due and that an evaluation, or a teacher's outputs, does not hold."""
    held = saved_scores(run).scalars
    return [name for name in due(sources(run, store)) if name not in held]


def saved_scores(run: Run) -> SavedScores:
    """Return what a run's metrics.json holds; RunError if it is damaged."""
    return read_json(run.file(METRICS_FILE), SavedScores, removal(run.path))


def rescored(evaluation: Run, where: SaysWhere, only: list[str]) -> Scores:
    """Return metrics of an evaluation from its predictions, or from those that its people's answers are about."""
    store = RunStore(Path(where.outputs))
    evaluated = evaluated_run(evaluation, store)
    if evaluated is None:
        raise DataError(f"{evaluation.path.name}: {evaluation.manifest.config['run']}, which it is of, was removed")
    held_out, test_set = validation_logits(evaluated), evaluation.manifest.config["test_set"]
    if test_set in HUMAN_LABELS:
        arrays, human = human_answers(evaluation, evaluated, where)
        return score(arrays["logits"], arrays["labels"], human=human, validation=held_out, only=only)
    arrays, taught = predictions(evaluation), teacher_evaluation(evaluation, store)
    return score(
        arrays["logits"],
        arrays["labels"],
        embeddings=arrays.get("embeddings"),
        validation=held_out,
        teacher=None if taught is None else teacher_outputs(evaluated, taught),
        only=only,
    )


def human_answers(evaluation: Run, evaluated: Run, where: SaysWhere) -> tuple[dict[str, Any], np.ndarray]:
    """Return the predictions that an evaluation against people is about, and the shares of answers [N,K]."""
    test_set = evaluation.manifest.config["test_set"]
    images, _, labels = evaluation.manifest.document.data.partition("+")
    about = test_set_name(HUMAN_LABELS[test_set])
    found = sibling(evaluation, RunStore(Path(where.outputs)), evaluated.id, images, test_set=about)
    if found is None:
        raise DataError(f"{evaluation.path.name}: there is no evaluation on {about}, whose images it is about")
    dataset = names.located(where, evaluated.config.dataset, evaluated.manifest.document.data)
    human = load_human_labels(test_set, root=Path(dataset.root), verify=dataset.verify)
    if human.fingerprint != labels:
        raise DataError(f"{test_set} in {dataset.root} has other answers than {evaluation.path.name} was made with")
    return predictions(found), human.probabilities


def scores_of_outputs(run: Run, where: SaysWhere, only: list[str]) -> Scores:
    """Return metrics of a teacher's outputs, whose labels are those of the training set."""
    fingerprint = run.manifest.document.data
    lies = DataOf(run.path.name, where.outputs, where.root, where.verify, where.path)
    made_with = DatasetAt(names.located(lies, run.config.dataset, fingerprint), where.outputs)
    images = common.dataset_images(made_with, fingerprint=fingerprint)
    rows, _ = common.split(made_with, images.labels)
    return score(outputs.logits(made_with, run)[rows], images.labels[rows], outputs=True, only=only)
