"""What a perfectly calibrated model would score: a calibration error is not zero on a finite number of images."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def ece_floor(counts: ArrayLike, confidence: ArrayLike) -> float:
    """Return the mean ECE of a perfectly calibrated model with as many images and the mean confidence in each bin.

    The mean absolute deviation of a binomial count (de Moivre 1730), over all images. Empty bins count nothing.
    """
    n, p = np.asarray(counts, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    n, p = n[n > 0], np.clip(p[n > 0], 0.0, 1.0)
    above = np.floor(n * p) + 1
    with np.errstate(invalid="ignore"):
        deviation = np.where(above > n, 0.0, 2 * above * (1 - p) * stats.binom.pmf(np.minimum(above, n), n, p))
    return float(deviation.sum() / n.sum()) if n.sum() else float("nan")
