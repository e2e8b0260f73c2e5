"""Every metric, once: pure functions in float64 over arrays of log-probabilities, embeddings and labels.

To add a metric, write its function and add its entry to METRICS in `table.py`: scores, tables and figures then have it.
"""

from collections.abc import Collection, Set

import numpy as np
from numpy.typing import ArrayLike

from augdistill.base.arrays import Floats, Ints
from augdistill.base.errors import DataError
from augdistill.metrics.classification import log_softmax
from augdistill.metrics.entry import HUMAN, HUMAN_EXTERNAL, Metric
from augdistill.metrics.predictions import check_predictions, finite, matrix, shares, vector, whole_labels
from augdistill.metrics.scores import ABOUT_HUMANS, Predictions, Scores, Teacher, figure_arrays
from augdistill.metrics.table import METRICS

__all__ = ["METRICS", "Metric", "Scores", "Teacher", "check_predictions", "due", "score", "score_against_humans"]
__all__ += ["standing_in"]


def score(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    embeddings: ArrayLike | None = None,
    human: ArrayLike | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    teacher: Teacher | None = None,
    outputs: bool = False,
    external: bool = False,
    only: Collection[str] | None = None,
) -> Scores:
    """Return every metric whose needs are met, for logits or log-probabilities [N, K] and labels [N].

    `embeddings` [N, d] are penultimate ones, `human` [N, K] shares of answers, `validation` the logits [M, K] and
    labels [M] on which the scaling temperature is fitted (without it: two-fold on the samples themselves), `teacher`
    what a student learned from. `outputs` marks a teacher's own on the training set, `external` probabilities that
    something else made: they are scored with their zeros clipped as well. `only` names the metrics to compute.
    Raises DataError for NaN, for shapes that do not fit, for labels that are not whole numbers from 0 to K - 1, for
    shares that are no distribution, for a single class, and for an embedding without a direction.
    """
    log_probabilities, truth = _logits_and_labels(logits, labels)
    samples, classes = log_probabilities.shape
    if samples == 0:
        raise DataError("no samples to score; at least one is needed")
    if teacher is not None and np.shape(teacher.logits) != (samples, classes):
        raise DataError(f"teacher's logits of shape {np.shape(teacher.logits)}; {(samples, classes)} is needed")
    predictions = Predictions(
        np.asarray(logits),
        log_probabilities,
        truth,
        None if embeddings is None else finite("embeddings", matrix("embeddings", embeddings, samples)),
        None if human is None else shares(human, (samples, classes)),
        None if validation is None else _logits_and_labels(*validation, classes),
        teacher,
        outputs,
        external,
    )
    wanted = [name for name in METRICS if only is None or name in only]
    possible = {name: METRICS[name] for name in wanted if METRICS[name].needs <= predictions.available}
    scalars = {name: float(metric.compute(predictions)) for name, metric in possible.items()}
    return Scores(scalars, figure_arrays(predictions), predictions.scaled.fitted_on)


def score_against_humans(
    logits: ArrayLike,
    labels: ArrayLike,
    human: ArrayLike,
    *,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    external: bool = False,
) -> Scores:
    """Return what `human` [N, K] shares of answers add to the scores; arguments and errors of `score`."""
    sources = HUMAN_EXTERNAL if external else HUMAN
    found = score(logits, labels, human=human, validation=validation, external=external, only=due(sources))
    arrays = {name: values for name, values in found.arrays.items() if name.startswith(ABOUT_HUMANS)}
    return Scores(found.scalars, arrays, found.scaling)


def due(sources: Set[str]) -> list[str]:
    """Return the metrics that a saved evaluation has which was made from these `sources`, named as in `Metric.needs`.

    One against human labels has those alone that need them: the others stand in the evaluation of the same images.
    """
    named = {name: metric.needs for name, metric in METRICS.items()}
    return [name for name, needs in named.items() if needs <= sources and ("human" not in sources or "human" in needs)]


def standing_in(place: str) -> list[str]:
    """Return the metrics that a table or figure of the report lists, in their order."""
    return [name for name, metric in METRICS.items() if place in metric.stands_in]


def _logits_and_labels(logits: ArrayLike, labels: ArrayLike, classes: int | None = None) -> tuple[Floats, Ints]:
    """Return log-probabilities [N, K] and labels [N], of `classes` classes where that is known, else of at least 2."""
    values = matrix("logits", logits, len(vector("labels", labels)))
    if values.shape[1] != (classes or max(values.shape[1], 2)):
        wanted = f"{classes} are" if classes else "one for each class, 2 or more, is"
        raise DataError(f"logits: {values.shape[1]} columns; {wanted} needed")
    return log_softmax(values), whole_labels(labels, values.shape[1])
