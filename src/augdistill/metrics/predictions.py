"""Arrays that came from elsewhere, refused unless they are what they should be."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from augdistill.base.arrays import Floats, Ints
from augdistill.base.errors import DataError
from augdistill.metrics.classification import log_softmax

ALLOWED = ("logits", "probabilities", "embeddings", "labels")
SUM_TOLERANCE = 1e-5
"""How far from 1 a row of shares may sum: float32 is within it, float16 and two decimals are not."""


class Checked(NamedTuple):
    """Predictions that passed `check_predictions`."""

    log_probabilities: Floats
    """[N, K]"""
    embeddings: NDArray[Any] | None
    """[N, d]"""
    external: bool
    """True for probabilities, where a zero may stand in the way of a logarithm"""


def check_predictions(arrays: Mapping[str, NDArray[Any]], labels: NDArray[Any], classes: int) -> Checked:
    """Return the predictions in `arrays` for a dataset with `labels` [N] of `classes` classes, in its order.

    `arrays` holds `logits` or `probabilities` [N, K], perhaps `embeddings` [N, d], perhaps `labels` [N]. Rows of
    probabilities sum to 1 within 1e-5 and are divided by their sum. Raises DataError for anything else.
    """
    unknown = [name for name in arrays if name not in ALLOWED]
    if unknown:
        raise DataError(f"predictions: unknown array '{unknown[0]}'; allowed are {', '.join(ALLOWED)}")
    given = [name for name in ("logits", "probabilities") if name in arrays]
    if len(given) != 1:
        wrong = "both 'logits' and 'probabilities' are there" if given else "'logits' or 'probabilities' is missing"
        raise DataError(f"predictions: {wrong}; exactly one of them is needed")
    samples = len(vector("labels", labels))
    values = finite(given[0], matrix(given[0], arrays[given[0]], samples))
    if values.shape[1] != classes:
        raise DataError(f"{given[0]}: {values.shape[1]} classes; the dataset has {classes}")
    truth = whole_labels(labels, classes)
    embeddings = None
    if "embeddings" in arrays:
        embeddings = finite("embeddings", matrix("embeddings", arrays["embeddings"], samples))
    if "labels" in arrays:
        _check_same(whole_labels(arrays["labels"], classes), truth)
    if given == ["logits"]:
        return Checked(log_softmax(values), embeddings, external=False)
    return Checked(_log_of_probabilities(values), embeddings, external=True)


def whole_labels(values: ArrayLike, classes: int) -> Ints:
    """Return labels as int64 [N]; floats that are whole will do. Raises DataError for anything else."""
    labels = vector("labels", values)
    bad = np.flatnonzero(~((labels >= 0) & (labels < classes) & (labels == np.floor(labels))))
    if bad.size:
        raise DataError(
            f"labels must be whole numbers from 0 to {classes - 1}; {bad.size} of {len(labels)} are not,"
            f" first row {bad[0]} with {labels[bad[0]]}"
        )
    return labels.astype(np.int64)


def shares(values: ArrayLike, shape: tuple[int, int]) -> Floats:
    """Return people's shares of answers as float64 [N, K], unless a row is no distribution: then DataError."""
    human = real("human labels", values)
    if human.shape != shape:
        raise DataError(f"human labels of shape {human.shape}; {shape} is needed")
    return distributions("human labels", finite("human labels", human), "counts are divided by their sum before")


def distributions(name: str, values: NDArray[Any], advice: str) -> Floats:
    """Return finite rows [N, K] as float64, unless one has a negative value or does not sum to 1: then DataError."""
    rows = values.astype(np.float64)
    negative = np.flatnonzero((rows < 0).any(axis=1))
    if negative.size:
        raise DataError(f"{name}: negative in {negative.size} rows, first row {negative[0]}; {advice}")
    sums = rows.sum(axis=1)
    bad = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.size:
        raise DataError(
            f"{name}: {bad.size} rows do not sum to 1 within 1e-5, first row {bad[0]} with {sums[bad[0]]:.6g}; {advice}"
        )
    return rows


def matrix(name: str, values: ArrayLike, samples: int) -> NDArray[Any]:
    """Return real numbers [samples, 1 or more], which may be NaN or infinite; raises DataError."""
    found = real(name, values)
    if found.ndim != 2 or found.shape[1] == 0:
        raise DataError(f"{name}: shape {found.shape}; one row for each of the {samples} samples is needed")
    if len(found) != samples:
        raise DataError(f"{name}: {len(found)} rows; the dataset has {samples} samples")
    return found


def vector(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return real numbers [N]; raises DataError."""
    found = real(name, values)
    if found.ndim != 1:
        raise DataError(f"{name}: shape {found.shape}; one number for each sample is needed")
    return found


def real(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return an array of integers or floats; raises DataError for text, bool, complex, objects and ragged lists."""
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors on a GPU or with a gradient
        raise DataError(f"{name}: no array of numbers can be made of it ({str(error).splitlines()[0]})") from error
    if found.dtype.kind not in "fiu":
        raise DataError(f"{name}: values of type {found.dtype}; real numbers are needed")
    return found


def finite(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return rows [N, any] as they are, unless one holds NaN or an infinity: then DataError."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise DataError(f"{name}: NaN or infinite in {bad.size} rows, first row {bad[0]}; finite numbers are needed")
    return values


def _check_same(found: Ints, labels: Ints) -> None:
    if found.shape != labels.shape:
        raise DataError(f"labels: shape {found.shape}; the dataset has {labels.shape}")
    different = np.flatnonzero(found != labels)
    if different.size:
        raise DataError(
            f"labels: {different.size} of {len(labels)} differ from the dataset's, first row {different[0]};"
            " predictions must be in the dataset's order"
        )


def _log_of_probabilities(values: NDArray[Any]) -> Floats:
    probabilities = distributions("probabilities", values, "scores before a softmax go in as 'logits'")
    with np.errstate(divide="ignore"):
        return log_softmax(np.log(probabilities))
