"""Predictions that something else made, refused unless they are what they should be."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augdistill.errors import DataError
from augdistill.metrics.classification import Floats, Ints, log_softmax

ALLOWED = ("logits", "probabilities", "embeddings", "labels")


class Checked(NamedTuple):
    """Predictions that passed `check_predictions`."""

    log_probabilities: Floats
    """[N, K]"""
    embeddings: NDArray[Any] | None
    """[N, d]"""
    external: bool
    """True for probabilities, where a zero may stand in the way of a logarithm"""


def check_predictions(arrays: Mapping[str, NDArray[Any]], labels: Ints, classes: int) -> Checked:
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
    values = _matrix(given[0], arrays[given[0]], len(labels))
    if values.shape[1] != classes:
        raise DataError(f"{given[0]}: {values.shape[1]} classes; the dataset has {classes}")
    embeddings = _matrix("embeddings", arrays["embeddings"], len(labels)) if "embeddings" in arrays else None
    if "labels" in arrays:
        _check_labels(np.asarray(arrays["labels"]), labels)
    if given == ["logits"]:
        return Checked(log_softmax(values), embeddings, external=False)
    return Checked(_log_of_probabilities(values), embeddings, external=True)


def _matrix(name: str, values: NDArray[Any], samples: int) -> NDArray[Any]:
    """Return finite real numbers [samples, any]."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiu":
        raise DataError(f"{name}: values of type {values.dtype}; real numbers are needed")
    if values.ndim != 2 or values.shape[1] == 0:
        raise DataError(f"{name}: shape {values.shape}; one row for each of the {samples} samples is needed")
    if len(values) != samples:
        raise DataError(f"{name}: {len(values)} rows; the dataset has {samples} samples")
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise DataError(f"{name}: NaN or infinite in {bad.size} rows, first row {bad[0]}; finite numbers are needed")
    return values


def _check_labels(found: NDArray[Any], labels: Ints) -> None:
    if found.shape != labels.shape:
        raise DataError(f"labels: shape {found.shape}; the dataset has {labels.shape}")
    different = np.flatnonzero(found != labels)
    if different.size:
        raise DataError(
            f"labels: {different.size} of {len(labels)} differ from the dataset's, first row {different[0]};"
            " predictions must be in the dataset's order"
        )


def _log_of_probabilities(probabilities: NDArray[Any]) -> Floats:
    probabilities = probabilities.astype(np.float64)
    negative = np.flatnonzero((probabilities < 0).any(axis=1))
    if negative.size:
        raise DataError(
            f"probabilities: negative in {negative.size} rows, first row {negative[0]}; scores go in as 'logits'"
        )
    sums = probabilities.sum(axis=1)
    bad = np.flatnonzero(np.abs(sums - 1) > 1e-5)
    if bad.size:
        raise DataError(
            f"probabilities: {bad.size} rows do not sum to 1 within 1e-5, first row {bad[0]} with {sums[bad[0]]:.6g}"
        )
    with np.errstate(divide="ignore"):
        return log_softmax(np.log(probabilities))
