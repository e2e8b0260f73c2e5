"""Test images as a sample of their own: what the choice of images adds to the variance of a difference of accuracies.

The variance of mean(plus) - mean(minus) over blocks and images is s1^2/B + s2^2/B + max(0, si^2/N - sr^2/(BN)): the
scatter of block means holds that between images once, as noise within blocks; si is the s.d. over images of the mean
difference, sr that of its residual, block by image.
"""

import numpy as np
from numpy.typing import ArrayLike

from augdistill.base.arrays import Floats
from augdistill.stats.contrasts import Estimate


def image_variance(plus: ArrayLike, minus: ArrayLike, *, pairs: bool = False) -> float:
    """Return what the images add to the variance of a difference, for correctness [blocks, N] of two arms.

    With `pairs` the arms' blocks belong together. 0 where the images' part cannot be told from the residual's.
    """
    a, b = np.asarray(plus, dtype=np.float64), np.asarray(minus, dtype=np.float64)
    images = a.shape[1]
    difference = a.mean(axis=0) - b.mean(axis=0)
    noise = _residual(a - b) / len(a) if pairs else _residual(a) / len(a) + _residual(b) / len(b)
    return float(max(0.0, float(difference.var(ddof=1)) - noise) / images)


def with_images(estimate: Estimate, added: float, images: int) -> Estimate:
    """Return an estimate whose variance has the images' part added, its degrees of freedom after Satterthwaite."""
    total = estimate.se**2 + added
    with np.errstate(divide="ignore", invalid="ignore"):
        df = total**2 / (estimate.se**4 / estimate.df + added**2 / (images - 1))
    return Estimate(estimate.value, np.where(estimate.se > 0, np.sqrt(total), estimate.se), df, estimate.counts)


def _residual(values: Floats) -> float:
    """The variance of block by image, [blocks, N]; 0 with one block."""
    blocks, images = values.shape
    if blocks < 2:
        return 0.0
    left = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float((left**2).sum() / ((blocks - 1) * (images - 1)))
