"""How far a model's predictions are from the distribution of human answers (CIFAR-10H, Peterson et al., 2019)."""

import numpy as np
from scipy import special

from augdistill.base.arrays import Floats, Ints
from augdistill.metrics.classification import one_hot, or_nan


def cross_entropy(human: Floats, log_probabilities: Floats) -> float:
    """Return the mean over samples of -sum_k human_k log p_k, in nats, for distributions and log-probabilities [N, K].

    0 log 0 is 0; inf where a class that a human chose has probability 0.
    """
    chosen = human > 0
    products = np.multiply(human, log_probabilities, out=np.zeros(human.shape), where=chosen)
    return float(0 - products.sum(axis=1).mean())  # not -0 where all is right


def entropy(distributions: Floats) -> float:
    """Return the mean entropy of the rows [N, K], in nats."""
    return float(special.entr(distributions).sum(axis=1).mean())


def kl(human: Floats, log_probabilities: Floats) -> float:
    """Return the mean of KL(human || model), in nats: cross-entropy minus the human entropy.

    The other direction is infinite almost everywhere: nearly every image has a class that no human chose.
    """
    return max(cross_entropy(human, log_probabilities) - entropy(human), 0.0)  # rounding may end below 0


def zeros(human: Floats, log_probabilities: Floats) -> int:
    """Return the number of cells [N, K] in which a class that a human chose has probability 0."""
    return int(np.count_nonzero((human > 0) & np.isneginf(log_probabilities)))


def class_means(probabilities: Floats, labels: Ints, classes: int) -> Floats:
    """Return the mean distribution of each *true* class, [classes, K], of rows [N, K]; NaN for a class without samples.

    The authors' public code divided by predicted counts, so that rows did not sum to 1.
    """
    counts = np.bincount(labels, minlength=classes)
    return one_hot(labels, classes).T @ probabilities / or_nan(counts)[:, None]


def kl_matrix(first: Floats, second: Floats) -> Floats:
    """Return KL(first_i || second_j) in cell (i, j), in nats, for class means [K, K] (Figure 5: human, then model).

    As a product, sum_k first_ik ln first_ik - sum_k first_ik ln second_jk, so that nothing of K x K x K is in memory.
    A row of NaN leaves its cells NaN; a cell is infinite where second is 0 and first is not.
    """
    is_zero = second == 0
    cross_entropies = first @ -np.log(np.where(is_zero, 1, second)).T
    divergences: Floats = np.maximum(
        cross_entropies - special.entr(first).sum(axis=1, keepdims=True), 0
    )  # rounding below 0
    infinite = (first > 0).astype(np.float64) @ is_zero.T > 0
    divergences += np.where(infinite, np.inf, 0)
    return divergences


def diagonal_mean(matrix: Floats) -> float:
    """Return the mean of the K cells on the diagonal of a [K, K] matrix."""
    return float(matrix.diagonal().mean())


def off_diagonal_mean(matrix: Floats) -> float:
    """Return the mean of the K (K - 1) cells off the diagonal of a [K, K] matrix."""
    return float(matrix[~np.eye(len(matrix), dtype=bool)].mean())
