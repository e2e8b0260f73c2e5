"""Whether a model's confidence can be believed, before and after temperature scaling (Guo et al., 2017)."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from augdistill.base.arrays import Floats, Ints
from augdistill.base.seeds import derive
from augdistill.metrics.classification import clipped, log_softmax, or_nan

TEMPERATURES = (0.01, 1000.0)
"""The range in which a temperature is looked for."""


BINS = 10  # of reliability diagrams and of the ECE, as in the paper


@dataclass(frozen=True, eq=False)
class Reliability:
    """Equal-width bins (lo, hi] of the top-class confidence; what an empty bin would hold is NaN."""

    edges: Floats
    """[bins + 1], from 0 to 1"""
    counts: Ints
    """[bins] samples per bin"""
    confidence: Floats
    """[bins] mean confidence"""
    accuracy: Floats
    """[bins] share of correct predictions"""


def reliability(log_probabilities: Floats, labels: Ints, bins: int = BINS) -> Reliability:
    """Return the reliability diagram of log-probabilities [N, K]; confidence 1 is in the last bin, 0 in the first."""
    confidence = np.exp(log_probabilities.max(axis=1))
    correct = log_probabilities.argmax(axis=1) == labels
    edges = np.arange(bins + 1) / bins
    # Rounded, because exp(log p) may miss p by a few ulp and a p on an edge would change its bin.
    index = np.searchsorted(edges[1:-1], confidence.round(12))
    counts = np.bincount(index, minlength=bins)
    mean_confidence = np.bincount(index, confidence, bins) / or_nan(counts)
    return Reliability(edges, counts, mean_confidence, np.bincount(index, correct, bins) / or_nan(counts))


def ece(diagram: Reliability) -> float:
    """Return the expected calibration error: |confidence - accuracy| averaged over samples, bin by bin."""
    share = diagram.counts / diagram.counts.sum()
    return float(np.nansum(share * np.abs(diagram.confidence - diagram.accuracy)))


def signed_gap(diagram: Reliability) -> float:
    """Return mean confidence minus accuracy: positive when over-confident, negative when under-confident."""
    share = diagram.counts / diagram.counts.sum()
    return float(np.nansum(share * (diagram.confidence - diagram.accuracy)))


def mce(diagram: Reliability, at_least: int = 1) -> float:
    """Return the largest |confidence - accuracy| among the bins of `at_least` samples; NaN if there is none."""
    gaps = np.abs(diagram.confidence - diagram.accuracy)[diagram.counts >= max(at_least, 1)]
    return float(gaps.max()) if gaps.size else float("nan")


def overconfidence(diagram: Reliability) -> float:
    """Return confidence x (confidence - accuracy) of over-confident bins, averaged over samples (arXiv 1905.11001)."""
    share = diagram.counts / diagram.counts.sum()
    return float(np.nansum(share * diagram.confidence * np.maximum(diagram.confidence - diagram.accuracy, 0)))


def adaptive_ece(log_probabilities: Floats, labels: Ints, bins: int = BINS) -> float:
    """Return the ECE of log-probabilities [N, K] over bins of equally many samples (Nixon et al., 2019)."""
    confidence = np.exp(log_probabilities.max(axis=1))
    correct = log_probabilities.argmax(axis=1) == labels
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return float(sum(abs(confidence[rows].sum() - correct[rows].sum()) for rows in parts) / len(labels))


def class_ece(log_probabilities: Floats, labels: Ints, bins: int = BINS) -> float:
    """Return the mean over classes of the gap between a class's probability and its share (Kull et al., 2019).

    Bins have equal width; every sample is in one bin of each class.
    """
    probabilities, edges = np.exp(log_probabilities).round(12), np.arange(1, bins) / bins
    gaps = []
    for k, of_class in enumerate(probabilities.T):
        gap = np.bincount(np.searchsorted(edges, of_class), of_class - (labels == k), bins)
        gaps.append(np.abs(gap).sum() / len(labels))
    return float(np.mean(gaps))


def fit_temperature(logits: NDArray[Any], labels: Ints) -> float:
    """Return the temperature in [0.01, 1000] that minimises the NLL of softmax(logits / temperature).

    The NLL is convex in 1 / temperature, so the root of its derivative is the one minimum. Data without errors have
    none: they get the lower bound, a model that knows nothing the upper one, and no data at all 1. A probability of 0
    at a label would make every temperature equally bad: where there are zeros, probabilities count as at least 1e-12.
    """
    from scipy.optimize import brentq

    if not len(labels):
        return 1.0
    log_probabilities = log_softmax(logits)
    if np.isneginf(log_probabilities).any():
        log_probabilities = clipped(log_probabilities)
    margins = np.ascontiguousarray(log_probabilities.T)  # [K, N]: sums over few classes are quick along long rows
    margins -= margins[labels, np.arange(len(labels))]
    with np.errstate(over="ignore"):  # margins of 1e308 and -1e308: a probability of 0
        below_top = margins - margins.max(axis=0)

    def slope(log_temperature: float) -> float:
        """The derivative of the NLL by 1 / temperature: what the other classes expect to have over the label."""
        weights = np.exp(below_top * np.exp(-log_temperature))
        total = weights.sum(axis=0)
        weights *= margins
        return float((weights.sum(axis=0) / total).mean())

    lowest, highest = np.log(TEMPERATURES)
    if slope(highest) >= 0:
        return TEMPERATURES[1]
    if slope(lowest) <= 0:
        return TEMPERATURES[0]
    return float(np.exp(brentq(slope, lowest, highest)))


@dataclass(frozen=True, eq=False)
class Scaled:
    """Predictions after temperature scaling, and where the temperatures came from."""

    log_probabilities: Floats
    """[N, K]"""
    fitted_on: Literal["validation", "two-fold"]
    temperatures: tuple[float, ...]
    """one from the validation split, or that of each fold, fitted on the other"""

    @property
    def temperature(self) -> float:
        """The geometric mean of the temperatures."""
        return float(np.exp(np.mean(np.log(self.temperatures))))


def scale_predictions(
    log_probabilities: Floats, labels: Ints, validation: tuple[NDArray[Any], Ints] | None = None
) -> Scaled:
    """Return log-probabilities [N, K] after temperature scaling.

    The temperature comes from `validation`, (logits [M, K], labels [M]), where there is one; else each half of a
    fixed, stratified split is scaled by the temperature of the other half, so that no sample chooses its own.
    Where a probability is 0 all count as at least 1e-12, both those that are scaled and those that are fitted on.
    """
    if np.isneginf(log_probabilities).any() or (validation is not None and np.isneginf(validation[0]).any()):
        log_probabilities = clipped(log_probabilities)
        validation = validation and (clipped(log_softmax(validation[0])), validation[1])
    if validation is not None:
        temperature = fit_temperature(*validation)
        return Scaled(log_softmax(log_probabilities / temperature), "validation", (temperature,))
    folds = stratified_folds(labels)
    temperatures = [fit_temperature(log_probabilities[folds != k], labels[folds != k]) for k in (0, 1)]
    scaled = log_softmax(log_probabilities / np.take(temperatures, folds)[:, None])
    return Scaled(scaled, "two-fold", tuple(temperatures))


def stratified_folds(labels: Ints) -> Ints:
    """Return 0 or 1 for each sample, [N]: sizes differ by at most one, within each class too; always the same split."""
    order = np.random.default_rng(derive(0, "temperature-folds")).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), dtype=np.int64)
    folds[order] = np.arange(len(labels)) % 2
    return folds
