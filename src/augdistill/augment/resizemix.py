"""ResizeMix: a box of each image is its whole partner, made smaller (Qin et al. 2020, arXiv 2012.11101)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from augdistill.augment.shared import (
    Draws,
    Samples,
    as_images,
    as_rows,
    check_fraction,
    draw_partners,
    in_box,
    label_shares,
    outer_masks,
    repeats,
    select,
)
from augdistill.base.checks import require


def draw(
    rng: np.random.Generator,
    sizes: Sequence[int],
    side: int,
    *,
    smallest: float = 0.1,
    largest: float = 0.8,
    prob: float = 1.0,
    scope: str = "batch",
    labels: str = "soft",
) -> Draws:
    """Draw a partner inside the batch for each sample, the box that becomes the partner, and the share that stays.

    The box's side is uniform between `smallest` and `largest` as shares of the image's, in whole pixels, one at least,
    its place uniform among those inside the image. `scope`, `prob` and `labels` are as of CutMix. Raises ConfigError.
    Returns partner, top, bottom, left, right int64 [N]; lam float32 [N], the own label's share.
    """
    check_fraction("resizemix.largest", largest)
    check_fraction("resizemix.smallest", smallest)
    require(smallest <= largest, "resizemix.smallest", smallest, f"a number from 0 to resizemix.largest, {largest}")
    check_fraction("resizemix.prob", prob)
    counts, partner = repeats("resizemix.scope", scope, sizes), draw_partners(rng, sizes)
    mixed = rng.random(len(counts)) < prob
    length = np.maximum(1, (side * rng.uniform(smallest, largest, len(counts))).astype(int)) * mixed
    top, left = rng.integers(0, side - length + 1, (2, len(counts)))
    box = {"top": top, "bottom": top + length, "left": left, "right": left + length}
    box["lam"] = label_shares("resizemix.labels", labels, 1 - length**2 / side**2)
    return {"partner": partner} | {name: np.repeat(values, counts) for name, values in box.items()}


def prepare(draws: Draws, side: int) -> Draws:
    """Return partner and lam, the rows and columns in each box, and the partner's pixels that come there.

    These are the nearest ones, int32 [N,side], as torch.nn.functional.interpolate has them.
    """
    rows, columns = in_box(draws, side)
    line = np.arange(side, dtype=np.int32)
    length = np.maximum(draws["bottom"] - draws["top"], 1).astype(np.int32)[:, None]
    down, across = (
        np.clip((line - draws[edge].astype(np.int32)[:, None]) * side // length, 0, side - 1).astype(np.int32)
        for edge in ("top", "left")
    )
    kept = {"partner": draws["partner"], "lam": draws["lam"]}
    return {**kept, "rows": rows, "columns": columns, "down": down, "across": across}


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Put the smaller partner into the box of each image, and blend its targets with the partner's by `lam`."""
    partner, rows = draws["partner"], as_rows(samples.images)
    _, planes, height, width, depth = rows.shape
    plane = partner[:, None] * planes + torch.arange(planes, device=rows.device)
    line = plane[:, :, None] * height + draws["down"][:, None]
    pixel = line[..., None] * width + draws["across"][:, None, None]
    smaller = rows.reshape(-1, depth).index_select(0, pixel.flatten()).view(rows.shape)
    inside = torch.minimum(*outer_masks(draws, rows)).view(rows.shape)
    return samples.mixed(as_images(select(inside, rows, smaller)), partner, draws["lam"])
