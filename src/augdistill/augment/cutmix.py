"""CutMix: a box of each image is its partner's, and targets mix by area (Yun et al. 2019, arXiv 1905.04899)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augdistill.augment.shared import (
    Draws,
    Samples,
    as_images,
    as_rows,
    clipped_box,
    draw_mixing,
    in_box,
    label_shares,
    outer_masks,
    select,
)


def draw(
    rng: np.random.Generator,
    sizes: Sequence[int],
    side: int,
    *,
    alpha: float = 1.0,
    prob: float = 0.5,
    scope: str = "batch",
    labels: str = "soft",
) -> Draws:
    """Draw a partner inside the batch for each sample, the box that comes from it, and the share that stays.

    The box covers 1 - lam of the image, lam ~ Beta(alpha, alpha), before it is cut at the image's edge; its centre is
    uniform over the pixels. In scope "batch", as in the reference code, one box serves a batch, which is mixed with
    probability `prob`; in scope "sample" each sample has its own. Boxes are empty where nothing is mixed. With `labels`
    "hard" images mix and the label is that of the larger part. Raises ConfigError.
    Returns partner, top, bottom, left, right int64 [N]; lam float32 [N], the own label's share: with soft labels that
    of the area that is really kept, mean 0.7007, s.d. 0.1828 where mixed, at alpha = 1 and 32 x 32.
    """
    counts, partner, mixed = draw_mixing(rng, "cutmix", sizes, alpha, prob, scope)
    centres = rng.integers(0, side, (2, len(counts)))
    lam = rng.beta(alpha, alpha, len(counts))  # last: how much of the stream it takes depends on alpha
    half = np.where(mixed, (side * np.sqrt(1 - lam)).astype(int) // 2, 0)
    box = clipped_box(centres, half, half, side)
    area = (box["bottom"] - box["top"]) * (box["right"] - box["left"])
    box["lam"] = label_shares("cutmix.labels", labels, 1 - area / side**2)
    return {"partner": partner} | {name: np.repeat(values, counts) for name, values in box.items()}


def prepare(draws: Draws, side: int) -> Draws:
    """Return partner and lam, and the rows and the columns that lie in each image's box, bool [N,side]."""
    rows, columns = in_box(draws, side)
    return {"partner": draws["partner"], "lam": draws["lam"], "rows": rows, "columns": columns}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Take the box of each image from the partner, and blend its targets with the partner's by `lam`."""
    partner, rows = draws["partner"], as_rows(samples.images)
    inside = torch.minimum(*outer_masks(draws, rows)).view(rows.shape)
    mixed = select(inside, rows, rows.index_select(0, partner))
    return samples.mixed(as_images(mixed), partner, draws["lam"])
