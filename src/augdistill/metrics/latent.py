"""How far apart a model keeps the classes: class discrimination (Table 3) and class separability (Table 4)."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from augdistill.base.arrays import Floats, Ints
from augdistill.base.errors import DataError
from augdistill.metrics.classification import one_hot, or_nan
from augdistill.metrics.human import class_means, kl_matrix

Convention = Literal["corrected", "as_printed", "as_published"]

SHARE_OF_MEAN: dict[Convention, tuple[float, float]] = {
    "corrected": (1.0, 1.0),
    "as_printed": (0.5, 1.0),
    "as_published": (1.0, 0.5),
}
"""The share of the true mean similarity that each convention counts as cohesion and as adhesion."""


ROUNDING = 1e-12
"""What is smaller than this, relative to its size, is rounding: a dimension's range, a vector's length."""


@dataclass(frozen=True, eq=False)
class Similarities:
    """Mean cosine similarities of standardised embeddings."""

    within: Floats
    """[K] mean over the pairs inside each class; NaN for a class of fewer than two samples"""
    across: Floats
    """[K, K] mean over the pairs of one sample from each of two classes; NaN for a class without samples"""
    dimensions: int
    """dimensions kept"""
    dropped: int
    """dimensions left out because they do not vary"""


@dataclass(frozen=True)
class Discrimination:
    """Cohesion C, adhesion A and class discrimination D = (C - A) / sqrt(dimensions)."""

    cohesion: float
    adhesion: float
    discrimination: float


def similarities(embeddings: NDArray[Any], labels: Ints, classes: int) -> Similarities:
    """Return the mean cosine similarity within each class and across each two, for embeddings [N, d].

    Every dimension is standardised over the samples; those that do not vary are left out and counted, and if none
    varies every similarity is NaN. With unit vectors u and class sums s_k no pair has to be visited:
    within_k = (|s_k|^2 - N_k) / (N_k (N_k - 1)), across_ij = s_i . s_j / (N_i N_j).
    Raises DataError if a sample lies at the mean of all of them, where a direction does not exist.
    """
    units, kept = _standardised_directions(embeddings)
    counts = np.bincount(labels, minlength=classes)
    sums = one_hot(labels, classes).T @ units
    products = sums @ sums.T
    within = (products.diagonal() - counts) / or_nan(counts * (counts - 1))
    across = products / or_nan(np.outer(counts, counts))
    return Similarities(within, across, kept, embeddings.shape[1] - kept)


def _standardised_directions(embeddings: NDArray[Any]) -> tuple[Floats, int]:
    """Return unit vectors [N, d], 0 in the dimensions that do not vary, and the number of those that do."""
    vectors = np.asarray(embeddings, dtype=np.float64)
    # By powers of two, which cost no bit: squares of 1e200 and of 1e-200 would leave float64.
    vectors = np.ldexp(vectors, -np.frexp(np.abs(vectors).max(axis=0))[1])
    top, bottom = vectors.max(axis=0), vectors.min(axis=0)
    constant = top - bottom <= ROUNDING * np.maximum(np.abs(top), np.abs(bottom))
    vectors -= vectors.mean(axis=0)
    spread = np.sqrt(np.einsum("nd,nd->d", vectors, vectors) / len(vectors))
    spread[constant | (spread == 0)] = np.inf
    vectors /= spread
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    kept = int(np.isfinite(spread).sum())
    central = np.flatnonzero(lengths <= ROUNDING * np.sqrt(kept))
    if kept and central.size:
        raise DataError(
            f"embedding of sample {central[0]} is the mean of all embeddings, so it has no cosine similarity;"
            " leave out that sample or the embeddings"
        )
    vectors /= or_nan(lengths)[:, None]
    return vectors, kept


def discrimination(pairs: Similarities, convention: Convention = "corrected") -> Discrimination:
    """Return cohesion, adhesion and class discrimination from mean similarities, under one of three conventions.

    - `corrected`: true means, of penultimate embeddings;
    - `as_printed`: the formula of the text, which sums each pair once but divides by ordered pairs: half of the
      cohesion, at most 0.5;
    - `as_published`: what gives the numbers of Table 3, if the embeddings are softmax probabilities: half of the
      adhesion.
    Means over classes and pairs of classes are unweighted; a class that is absent, or has one sample, makes them NaN.
    """
    of_cohesion, of_adhesion = SHARE_OF_MEAN[convention]
    cohesion = of_cohesion * float(pairs.within.mean())
    adhesion = of_adhesion * float(pairs.across[np.triu_indices(len(pairs.across), 1)].mean())
    return Discrimination(cohesion, adhesion, (cohesion - adhesion) / float(np.sqrt(pairs.dimensions or np.nan)))


def class_discrimination(
    embeddings: NDArray[Any], labels: Ints, classes: int, convention: Convention = "corrected"
) -> Discrimination:
    """Return the class discrimination of embeddings [N, d] (of probabilities [N, K] for `as_published`).

    Comparable only within one architecture and width. See `similarities` and `discrimination`.
    """
    return discrimination(similarities(embeddings, labels, classes), convention)


def class_separability(probabilities: Floats, labels: Ints) -> float:
    """Return S_f, in nats: the mean over all K x K ordered pairs of KL(mean prediction of class i || of class j).

    Classes are the true ones; the zeros on the diagonal count, as in Table 4. NaN if a class has no samples.
    """
    means = class_means(probabilities, labels, probabilities.shape[1])
    return float(kl_matrix(means, means).mean())
