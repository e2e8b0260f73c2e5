"""Every metric, once: pure functions in float64 over arrays of log-probabilities, embeddings and labels.

To add a metric, write its function and add its line to METRICS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from augdistill.base.errors import DataError
from augdistill.metrics.calibration import (
    Reliability,
    Scaled,
    ece,
    fit_temperature,
    mce,
    reliability,
    scale_predictions,
    signed_gap,
)
from augdistill.metrics.classification import (
    Floats,
    Ints,
    accuracy,
    brier,
    confusion_matrix,
    log_softmax,
    nll,
    per_class_accuracy,
    precision_recall_f1,
)
from augdistill.metrics.human import (
    class_means,
    cross_entropy,
    diagonal_mean,
    entropy,
    kl,
    kl_matrix,
    off_diagonal_mean,
    zeros,
)
from augdistill.metrics.latent import class_discrimination, class_separability
from augdistill.metrics.predictions import Checked, check_predictions, finite, matrix, shares, vector, whole_labels
from augdistill.metrics.scores import Predictions, Scores, figure_arrays
from augdistill.metrics.teacher import agreement, label_information, logit_sd, teacher_student_kl
from augdistill.plugins import Table

__all__ = [
    "METRICS",
    "Checked",
    "Metric",
    "Predictions",
    "Reliability",
    "Scaled",
    "Scores",
    "accuracy",
    "agreement",
    "brier",
    "check_predictions",
    "class_discrimination",
    "class_means",
    "class_separability",
    "confusion_matrix",
    "cross_entropy",
    "ece",
    "entropy",
    "fit_temperature",
    "kl",
    "kl_matrix",
    "label_information",
    "log_softmax",
    "logit_sd",
    "mce",
    "nll",
    "per_class_accuracy",
    "precision_recall_f1",
    "reliability",
    "scale_predictions",
    "score",
    "signed_gap",
    "teacher_student_kl",
]


@dataclass(frozen=True)
class Metric:
    """One line of the table of metrics."""

    label: str
    """the name in tables"""
    unit: str
    """"share" (0 to 1), "nats", "count" or nothing"""
    better: Literal["higher", "lower"] | None
    """None where neither is, or where that is the question"""
    compute: Callable[[Predictions], float]
    needs: frozenset[str] = frozenset({"labels"})
    """of "labels", "embeddings", "human", and "external": probabilities that may hold zeros"""


def score(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    embeddings: ArrayLike | None = None,
    human: ArrayLike | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    external: bool = False,
) -> Scores:
    """Return every metric whose needs are met, for logits or log-probabilities [N, K] and labels [N].

    `embeddings` [N, d] are penultimate ones, `human` [N, K] shares of answers, `validation` the logits [M, K] and
    labels [M] on which the scaling temperature is fitted (without it: two-fold on the samples themselves). `external`
    marks probabilities that something else made: they are scored with their zeros clipped as well.
    Raises DataError for NaN, for shapes that do not fit, for labels that are not whole numbers from 0 to K - 1, for
    shares that are no distribution, for a single class, and for an embedding without a direction.
    """
    log_probabilities, truth = _logits_and_labels(logits, labels)
    samples, classes = log_probabilities.shape
    if samples == 0:
        raise DataError("no samples to score; at least one is needed")
    predictions = Predictions(
        log_probabilities,
        truth,
        None if embeddings is None else finite("embeddings", matrix("embeddings", embeddings, samples)),
        None if human is None else shares(human, (samples, classes)),
        None if validation is None else _logits_and_labels(*validation, classes),
        external,
    )
    possible = {name: metric for name, metric in METRICS.items() if metric.needs <= predictions.available}
    scalars = {name: float(metric.compute(predictions)) for name, metric in possible.items()}
    return Scores(scalars, figure_arrays(predictions), predictions.scaled.fitted_on)


def _logits_and_labels(logits: ArrayLike, labels: ArrayLike, classes: int | None = None) -> tuple[Floats, Ints]:
    """Return log-probabilities [N, K] and labels [N], of `classes` classes where that is known, else of at least 2."""
    values = matrix("logits", logits, len(vector("labels", labels)))
    if values.shape[1] != (classes or max(values.shape[1], 2)):
        wanted = f"{classes} are" if classes else "one for each class, 2 or more, is"
        raise DataError(f"logits: {values.shape[1]} columns; {wanted} needed")
    return log_softmax(values), whole_labels(labels, values.shape[1])


EXTERNAL = frozenset({"labels", "external"})
HUMAN = frozenset({"labels", "human"})
HUMAN_EXTERNAL = HUMAN | EXTERNAL
EMBEDDINGS = frozenset({"labels", "embeddings"})

METRICS = Table[Metric]("metrics") | {
    "accuracy": Metric("Accuracy", "share", "higher", lambda p: accuracy(p.log_probabilities, p.labels)),
    "precision": Metric("Precision", "share", "higher", lambda p: p.macro[0]),
    "recall": Metric("Recall", "share", "higher", lambda p: p.macro[1]),
    "f1": Metric("F1", "share", "higher", lambda p: p.macro[2]),
    "nll": Metric("NLL", "nats", "lower", lambda p: nll(p.log_probabilities, p.labels)),
    "nll_clipped": Metric("NLL, clipped", "nats", "lower", lambda p: nll(p.clipped, p.labels), EXTERNAL),
    "nll_zeros": Metric("Zeros at labels", "count", "lower", lambda p: zeros(p.targets, p.log_probabilities), EXTERNAL),
    "brier": Metric("Brier", "", "lower", lambda p: brier(p.log_probabilities, p.labels)),
    "ece": Metric("ECE", "share", "lower", lambda p: ece(p.reliability)),
    "ece_gap": Metric("Confidence - accuracy", "share", None, lambda p: signed_gap(p.reliability)),
    "mce": Metric("MCE", "share", "lower", lambda p: mce(p.reliability)),
    "mce_50": Metric("MCE, bins of 50", "share", "lower", lambda p: mce(p.reliability, at_least=50)),
    "ece_scaled": Metric("ECE, scaled", "share", "lower", lambda p: ece(p.scaled_reliability)),
    "nll_scaled": Metric("NLL, scaled", "nats", "lower", lambda p: nll(p.scaled.log_probabilities, p.labels)),
    "scaling_temperature": Metric("Scaling T", "", None, lambda p: p.scaled.temperature),
    "human_ce": Metric("Human CE", "nats", "lower", lambda p: cross_entropy(p.answers, p.log_probabilities), HUMAN),
    "human_kl": Metric("Human KL", "nats", "lower", lambda p: kl(p.answers, p.log_probabilities), HUMAN),
    "human_entropy": Metric("Human entropy", "nats", None, lambda p: entropy(p.answers), HUMAN),
    "human_ce_scaled": Metric(
        "Human CE, scaled", "nats", "lower", lambda p: cross_entropy(p.answers, p.scaled.log_probabilities), HUMAN
    ),
    "human_ce_clipped": Metric(
        "Human CE, clipped", "nats", "lower", lambda p: cross_entropy(p.answers, p.clipped), HUMAN_EXTERNAL
    ),
    "human_zeros": Metric(
        "Zeros at human answers", "count", "lower", lambda p: zeros(p.answers, p.log_probabilities), HUMAN_EXTERNAL
    ),
    "human_kl_diagonal": Metric(
        "Human KL, own class", "nats", "lower", lambda p: diagonal_mean(p.human_kl_matrix), HUMAN
    ),
    "human_kl_off_diagonal": Metric(
        "Human KL, other classes", "nats", None, lambda p: off_diagonal_mean(p.human_kl_matrix), HUMAN
    ),
    # No better side from here on: what makes a good classifier may make a bad teacher.
    "cohesion_corrected": Metric("Cohesion", "", None, lambda p: p.corrected.cohesion, EMBEDDINGS),
    "adhesion_corrected": Metric("Adhesion", "", None, lambda p: p.corrected.adhesion, EMBEDDINGS),
    "discrimination_corrected": Metric("Discrimination", "", None, lambda p: p.corrected.discrimination, EMBEDDINGS),
    "cohesion_as_printed": Metric("Cohesion, as printed", "", None, lambda p: p.as_printed.cohesion, EMBEDDINGS),
    "adhesion_as_printed": Metric("Adhesion, as printed", "", None, lambda p: p.as_printed.adhesion, EMBEDDINGS),
    "discrimination_as_printed": Metric(
        "Discrimination, as printed", "", None, lambda p: p.as_printed.discrimination, EMBEDDINGS
    ),
    "cohesion_as_published": Metric("Cohesion, as published", "", None, lambda p: p.as_published.cohesion),
    "adhesion_as_published": Metric("Adhesion, as published", "", None, lambda p: p.as_published.adhesion),
    "discrimination_as_published": Metric(
        "Discrimination, as published", "", None, lambda p: p.as_published.discrimination
    ),
    "dimensions": Metric("Dimensions", "count", None, lambda p: p.similarities.dimensions, EMBEDDINGS),
    "dimensions_dropped": Metric("Dimensions dropped", "count", None, lambda p: p.similarities.dropped, EMBEDDINGS),
    "class_separability": Metric(
        "Class separability", "nats", None, lambda p: class_separability(p.probabilities, p.labels)
    ),
    "logit_sd": Metric("Logit s.d.", "", None, lambda p: logit_sd(p.log_probabilities)),
}
