"""Mixup: images and targets are blended with those of a partner (Zhang et al. 2018, arXiv 1710.09412)."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from augdistill.augment.shared import (
    Draws,
    Samples,
    as_images,
    as_rows,
    blend,
    check_fraction,
    draw_mixing,
    label_shares,
)


def draw(
    rng: np.random.Generator,
    sizes: Sequence[int],
    side: int,
    *,
    alpha: float = 1.0,
    prob: float = 1.0,
    pairs: float = 1.0,
    scope: str = "batch",
    labels: str = "soft",
) -> Draws:
    """Draw a partner inside the batch for each sample, and its own share lam ~ Beta(alpha, alpha).

    In scope "batch", as in the reference code, one lam serves a batch, which is mixed with probability `prob`; in scope
    "sample" each sample has its own. Of the samples that would be mixed, each is with probability `pairs` (partial
    mixup); lam is 1 where nothing is mixed. With `labels` "hard" images mix and the label is that of the larger part.
    Raises ConfigError.
    Returns partner int64 [N], lam float32 [N] of the pixels, share float32 [N] of the own label: lam itself if soft.
    """
    counts, partner, mixed = draw_mixing(rng, "mixup", sizes, alpha, prob, scope)
    check_fraction("mixup.pairs", pairs)
    of_pair = rng.random(len(partner)) < pairs if pairs < 1 else True
    lam = rng.beta(alpha, alpha, len(counts))  # last: how much of the stream it takes depends on alpha
    lam = np.where(of_pair, np.repeat(np.where(mixed, lam, 1), counts), 1).astype(np.float32)
    return {"partner": partner, "lam": lam, "share": label_shares("mixup.labels", labels, lam)}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Blend images and targets with their partner's: lam * own + (1 - lam) * partner's."""
    partner, rows = draws["partner"], as_rows(samples.images)
    mixed = blend(rows, rows.index_select(0, partner), draws["lam"][:, None, None, None, None])
    return samples.mixed(as_images(mixed), partner, draws["share"])
