"""RandAugment: some random operations of one strength, one after the other (Cubuk et al. 2020, arXiv 1909.13719)."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from augdistill.augment.operations import MOVING, draw_operations, operate, prepare_operations, spaced
from augdistill.augment.shared import Draws, Samples
from augdistill.base.checks import require

BINS = 31  # of strength, as in torchvision
NAMES = (*MOVING, *(name for name in spaced(2, 0, 0, 0, 0, (8, 4)) if name not in MOVING))


def levels(side: int) -> dict[str, np.ndarray]:
    """Return each operation's levels in images of this side: 150 of 331 pixels at most, as on the paper's ImageNet."""
    found = spaced(BINS, shear=0.3, move=150 / 331 * side, turn=30.0, colour=0.9, bits=(8, 4))
    return {name: found[name] for name in NAMES}


def draw(
    rng: np.random.Generator, sizes: Sequence[int], side: int, *, operations: int = 2, magnitude: int = 9
) -> Draws:
    """Draw each image's operations, 1..8 of them, each of fourteen; `magnitude` is of 0..30, else ConfigError.

    Returns operation, slot int64 and level float64 [N,operations], as `draw_operations` has them.
    """
    is_whole = [isinstance(value, int) and not isinstance(value, bool) for value in (operations, magnitude)]
    require(is_whole[0] and 1 <= operations <= 8, "rand-augment.operations", operations, "a whole number from 1 to 8")
    require(is_whole[1] and 0 <= magnitude < BINS, "rand-augment.magnitude", magnitude, "a whole number from 0 to 30")
    bins = np.full(sum(sizes), magnitude)
    steps = [draw_operations(rng, sizes, levels(side), bins) for _ in range(operations)]
    return {key: np.stack([step[key] for step in steps], axis=1) for key in steps[0]}


def prepare(draws: Draws, side: int) -> Draws:
    """Return slot, level [N,operations] and matrix [N,operations,2,3], as `prepare_operations` has them."""
    return prepare_operations(draws, NAMES, side)


def apply(samples: Samples, draws: Mapping[str, Tensor]) -> Samples:
    """Apply to each image, bytes, its operations; labels stay."""
    images = samples.images
    for step in range(draws["slot"].shape[1]):
        images = operate(images, NAMES, *(draws[key][:, step] for key in ("slot", "level", "matrix")))
    return samples._replace(images=images)
