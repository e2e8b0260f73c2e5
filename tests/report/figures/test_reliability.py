"""Reliability curves against pooling image by image."""

import itertools

import numpy as np

from augdistill.report.figures.reliability import FEWEST, curve


def test_reliability_curves_pool_the_students_of_a_block_image_by_image():
    rng = np.random.default_rng(0)
    edges = np.arange(11) / 10
    diagrams, raw = [], {}
    for block, _ in itertools.product(range(3), range(2)):
        confidence = rng.uniform(0.1, 1, 150)
        correct = rng.uniform(size=150) < confidence
        raw.setdefault(block, []).append((confidence, correct))
        index = np.minimum(np.ceil(confidence * 10).astype(int) - 1, 9)
        counts = np.bincount(index, minlength=10)
        means = [np.bincount(index, array, 10) / np.where(counts, counts, np.nan) for array in (confidence, correct)]
        diagrams.append((block, {"counts": counts, "confidence": means[0], "accuracy": means[1]}))
    found = curve("mixup", diagrams)
    expected = []
    for low, high in itertools.pairwise(edges):
        blocks = []
        for runs in raw.values():
            pooled = [right[(low < sure) & (sure <= high)] for sure, right in runs]
            if len(np.concatenate(pooled)) >= FEWEST:
                blocks.append(np.concatenate(pooled).mean())
        if blocks:
            expected.append((np.mean(blocks), np.std(blocks, ddof=1) if len(blocks) > 1 else np.nan))
    np.testing.assert_allclose(found.accuracy, [mean for mean, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(found.sd, [sd for _, sd in expected], rtol=1e-12)
    assert curve("mixup", []) is None
