"""TrivialAugment, wide: one random operation of random strength (Müller and Hutter 2021, arXiv 2103.10158)."""

from collections.abc import Sequence

import numpy as np

from augdistill.augment.operations import draw_operations, prepare_operations, spaced
from augdistill.augment.rand_augment import NAMES, apply
from augdistill.augment.shared import Draws
from augdistill.base.checks import require

__all__ = ["apply", "draw", "prepare"]


def levels(bins: int) -> dict[str, np.ndarray]:
    """Return each operation's levels [bins]; pixels and degrees are those of the paper's code, whatever the side."""
    found = spaced(bins, shear=0.99, move=32.0, turn=135.0, colour=0.99, bits=(8, 2))
    return {name: found[name] for name in NAMES}


def draw(rng: np.random.Generator, sizes: Sequence[int], side: int, *, bins: int = 31) -> Draws:
    """Draw each image's operation of fourteen, and its level of `bins`, 2 to 1000 of them, else ConfigError.

    Returns operation, slot int64 and level float64 [N,1], as `draw_operations` has them.
    """
    is_whole = isinstance(bins, int) and not isinstance(bins, bool)
    require(is_whole and 2 <= bins <= 1000, "trivial-augment.bins", bins, "a whole number from 2 to 1000")
    drawn = draw_operations(rng, sizes, levels(bins), rng.integers(0, bins, sum(sizes)))
    return {key: values[:, None] for key, values in drawn.items()}


def prepare(draws: Draws, side: int) -> Draws:
    """Return slot, level [N,1] and matrix [N,1,2,3], as `prepare_operations` has them."""
    return prepare_operations(draws, NAMES, side)
