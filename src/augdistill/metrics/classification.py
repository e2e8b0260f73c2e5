"""How often, and how surely, a model is right.

Predictions have one form in this package: log-probabilities, float64 [N, K], natural log; -inf is a probability of 0.
Labels are integers [N] in [0, K).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from augdistill.base.arrays import Floats, Ints
from augdistill.base.errors import DataError

PROBABILITY_FLOOR = 1e-12
"""Where external probabilities are clipped, in the variants that say so; logits never are."""


def log_softmax(logits: NDArray[Any]) -> Floats:
    """Return log-probabilities, float64 [N, K], of logits [N, K]; log-probabilities come back as they are.

    -inf (a probability of 0) is allowed. Raises DataError for NaN, for +inf and for a row without a finite value.
    """
    logits = np.asarray(logits, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(logits.max(axis=1)))
    if bad.size:
        raise DataError(f"logits: NaN or infinite in {bad.size} rows, first row {bad[0]}; finite numbers are needed")
    with np.errstate(over="ignore"):  # logits of 1e308 and -1e308: a probability of 0
        log_probabilities: Floats = special.log_softmax(logits, axis=1)
    return log_probabilities


def accuracy(log_probabilities: Floats, labels: Ints) -> float:
    """Return the share of samples whose most probable class is the label; ties go to the first class."""
    return float(np.mean(log_probabilities.argmax(axis=1) == labels))


def confusion_matrix(log_probabilities: Floats, labels: Ints) -> Ints:
    """Return counts, int64 [K, K]: rows are true classes, columns predicted ones."""
    classes = log_probabilities.shape[1]
    cells = labels.astype(np.int64) * classes + log_probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def per_class_accuracy(log_probabilities: Floats, labels: Ints) -> Floats:
    """Return each class's share of correct predictions, [K]; NaN for a class without samples."""
    confusion = confusion_matrix(log_probabilities, labels)
    return confusion.diagonal() / or_nan(confusion.sum(axis=1))


def precision_recall_f1(
    log_probabilities: Floats, labels: Ints, *, weighted: bool = False
) -> tuple[float, float, float]:
    """Return macro precision, recall and F1: unweighted means over the classes, or `weighted` by their samples.

    A class that is never predicted has precision 0. A class without samples makes all three NaN, but weighs nothing.
    """
    confusion = confusion_matrix(log_probabilities, labels)
    hits, true, predicted = confusion.diagonal(), or_nan(confusion.sum(axis=1)), confusion.sum(axis=0)
    precision = np.where(np.isnan(true), np.nan, hits / np.maximum(predicted, 1))
    recall = hits / true
    f1 = 2 * hits / (predicted + true)
    samples = confusion.sum(axis=1) if weighted else None

    def mean(values: Floats) -> float:
        return float(np.average(np.nan_to_num(values) if weighted else values, weights=samples))

    return mean(precision), mean(recall), mean(f1)


def nll(log_probabilities: Floats, labels: Ints) -> float:
    """Return the mean negative log-likelihood of the labels, in nats; inf if a label has probability 0."""
    return float(0 - log_probabilities[np.arange(len(labels)), labels].mean())  # not -0 where all is right


def brier(log_probabilities: Floats, labels: Ints) -> float:
    """Return the Brier score in [0, 2]: squared error summed over classes, averaged over samples (Brier, 1950)."""
    error = np.exp(log_probabilities)
    error[np.arange(len(labels)), labels] -= 1
    return float(np.square(error).sum(axis=1).mean())


def clipped(log_probabilities: Floats) -> Floats:
    """Return the log-probabilities [N, K] with probabilities below 1e-12 raised to it."""
    return np.maximum(log_probabilities, np.log(PROBABILITY_FLOOR))


def or_nan(counts: NDArray[Any]) -> Floats:
    """Return counts as divisors: float64, with NaN for 0, so that what is undefined becomes NaN without a warning."""
    return np.where(counts > 0, counts, np.nan)


def one_hot(labels: Ints, classes: int) -> Floats:
    """Return the labels as rows of the identity matrix, float64 [N, K]."""
    return np.eye(classes)[labels]
