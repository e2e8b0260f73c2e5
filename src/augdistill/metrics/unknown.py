"""How well a model tells images of no known class from those that it knows: scores, and areas under their curves.

A score is higher for what is known. Known images count as positive.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from augdistill.base.arrays import Floats

SCORES = {"msp": "MSP", "max_logit": "Max logit", "energy": "Energy", "knn": "k-NN"}
FOUND = {"auroc": "AUROC", "aupr": "AUPR", "fpr95": "FPR at 95 % TPR"}


def known_scores(logits: NDArray[Any]) -> dict[str, Floats]:
    """Return scores [N] of logits [N,K], by name.

    The largest probability (Hendrycks & Gimpel, 2017) and logit (Hendrycks et al., 2022), and the negative energy,
    log sum exp (Liu et al., 2020).
    """
    values = np.asarray(logits, dtype=np.float64)
    return {
        "msp": special.softmax(values, axis=1).max(axis=1),
        "max_logit": values.max(axis=1),
        "energy": special.logsumexp(values, axis=1),
    }


def neighbour_scores(embeddings: NDArray[Any], reference: NDArray[Any], neighbours: int) -> Floats:
    """Return minus the distance of embeddings [N,d] to their k-th nearest of `reference` [M,d], all of length 1.

    Sun et al. (2022).
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(directions(reference))
    distances: Floats = search.kneighbors(directions(embeddings))[0][:, -1]
    return -distances


def directions(embeddings: NDArray[Any]) -> Floats:
    """Return embeddings [N,d] of length 1, float64; one of length 0 stays as it is."""
    values = np.asarray(embeddings, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1)


def separation(known: Floats, unknown: Floats) -> dict[str, float]:
    """Return AUROC, AUPR, and the share of unknown images above the score that 95 % of the known ones reach."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
    values = np.r_[known, unknown]
    least = np.sort(known)[int(np.floor(0.05 * len(known)))]
    return {
        "auroc": float(roc_auc_score(labels, values)),
        "aupr": float(average_precision_score(labels, values)),
        "fpr95": float(np.mean(unknown >= least)),
    }


def unknown_metrics(known: Mapping[str, Floats], unknown: Mapping[str, Floats]) -> dict[str, float]:
    """Return every separation of every score, named such as auroc_msp."""
    found = {name: separation(known[name], unknown[name]) for name in known}
    return {f"{what}_{name}": values[what] for what in FOUND for name, values in found.items()}
