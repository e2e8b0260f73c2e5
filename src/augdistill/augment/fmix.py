"""FMix: a mask of low-frequency noise decides which pixels are the partner's (Harris et al. 2020, arXiv 2002.12047)."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from augdistill.augment.shared import (
    Draws,
    Samples,
    as_images,
    as_mask,
    as_rows,
    check_positive,
    draw_mixing,
    label_shares,
    select,
)


def draw(
    rng: np.random.Generator,
    sizes: Sequence[int],
    side: int,
    *,
    alpha: float = 1.0,
    decay: float = 3.0,
    prob: float = 1.0,
    scope: str = "batch",
    labels: str = "soft",
) -> Draws:
    """Draw a partner inside the batch for each sample, the pixels that come from it, and the share that stays.

    A mask is Gaussian noise whose spectrum falls as 1 / frequency^decay; its lowest values, a share 1 - lam of the
    pixels rounded to whole ones, lam ~ Beta(alpha, alpha), are the partner's. `scope`, `prob` and `labels` are as of
    CutMix. Raises ConfigError.
    Returns partner int64 [N]; theirs bool [N,side,side]; lam float32 [N], the own label's share.
    """
    check_positive("fmix.decay", decay)
    counts, partner, mixed = draw_mixing(rng, "fmix", sizes, alpha, prob, scope)
    grey = low_frequency_noise(rng, len(counts), side, decay).reshape(len(counts), -1)
    lam = rng.beta(alpha, alpha, len(counts))  # last: how much of the stream it takes depends on alpha
    count = np.where(mixed, np.rint((1 - lam) * side**2), 0).astype(int)
    rank = grey.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    theirs = (rank < count[:, None]).reshape(-1, side, side)
    own = label_shares("fmix.labels", labels, 1 - count / side**2)
    return {"partner": partner, "theirs": np.repeat(theirs, counts, axis=0), "lam": np.repeat(own, counts)}


def low_frequency_noise(rng: np.random.Generator, count: int, side: int, decay: float) -> np.ndarray:
    """Return grey images [count,side,side]: the real part of noise whose amplitude falls as 1 / frequency^decay.

    The lowest frequency counts as 1 / side, as in the reference code.
    """
    down, across = np.fft.fftfreq(side), np.fft.rfftfreq(side)
    frequency = np.maximum(np.hypot(down[:, None], across), 1 / side)
    real, imaginary = rng.normal(size=(2, count, *frequency.shape))
    return np.fft.irfft2((real + 1j * imaginary) / frequency**decay, (side, side))


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Take the pixels drawn from the partner, and blend targets with the partner's by `lam`."""
    partner, rows = draws["partner"], as_rows(samples.images)
    theirs = as_mask(draws["theirs"], rows.dtype)[:, None, :, :, None]
    mixed = select(theirs.expand(rows.shape), rows, rows.index_select(0, partner))
    return samples.mixed(as_images(mixed), partner, draws["lam"])
