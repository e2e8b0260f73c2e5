"""Predictions at random, better than chance, with embeddings and human labels; metrics by what they need."""

import numpy as np

DISCRIMINATION = [
    [f"{part}_{convention}" for part in ("cohesion", "adhesion", "discrimination")]
    for convention in ("corrected", "as_printed", "as_published")
]
HUMAN = ["human_ce", "human_kl", "human_entropy", "human_ce_scaled", "human_kl_diagonal", "human_kl_off_diagonal"]


def draw(seed: int, samples: int = 300, classes: int = 5, dimensions: int = 12):
    """Return logits, labels, embeddings and shares of human answers; each class is there twice at least."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(classes), 2), rng.integers(0, classes, samples - 2 * classes)])
    logits = rng.normal(size=(samples, classes)) * 2 + 2 * np.eye(classes)[labels]
    human = rng.dirichlet(np.ones(classes) / 5, samples)
    embeddings = rng.normal(size=(classes, dimensions))[labels] + rng.normal(size=(samples, dimensions))
    return logits, labels, embeddings, human
