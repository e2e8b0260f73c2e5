"""How much of the error each look at a growing study may spend, after O'Brien and Fleming as Lan and DeMets (1983)."""

from functools import lru_cache

import numpy as np
from scipy import integrate, optimize, stats

from augdistill.base.arrays import Floats

POINTS = 801
REACH = 8.0


def spent(fraction: float, alpha: float) -> float:
    """Return how much of a one-sided alpha may be spent up to a fraction 0..1 of the planned blocks; all of it at 1."""
    if fraction <= 0:
        return 0.0
    return float(2 * stats.norm.sf(stats.norm.isf(alpha / 2) / min(fraction, 1.0) ** 0.5))


def look_level(blocks: tuple[int, ...], planned: int, alpha: float) -> float:
    """Return the two-sided level of the last of several looks, at these numbers of blocks, ever more, of those planned.

    All looks together spend at most alpha. It is alpha for a single look with all blocks there, and 0 for one after
    all was spent.
    """
    return 2 * _levels(tuple(min(count / planned, 1.0) for count in blocks), alpha / 2)[-1]


@lru_cache(maxsize=1024)
def _levels(fractions: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """One-sided nominal levels; independent increments, boundary by boundary (Armitage, McPherson and Rowe 1969)."""
    levels: list[float] = []
    used, before = 0.0, 0.0
    grid, density = np.zeros(1), np.ones(1)
    for fraction in fractions:
        allowed, step = spent(fraction, alpha) - used, fraction - before
        if step <= 1e-12 or allowed <= 1e-15:
            levels.append(0.0)
            continue
        boundary = _boundary(grid, density, step, fraction, allowed)
        levels.append(float(stats.norm.sf(boundary / fraction**0.5)))
        following = np.linspace(-REACH * fraction**0.5, boundary, POINTS)
        density = _moved(grid, density, following, step)
        grid, used, before = following, used + allowed, fraction
    return tuple(levels)


def _boundary(grid: Floats, density: Floats, step: float, fraction: float, allowed: float) -> float:
    if len(grid) == 1:
        return float(stats.norm.isf(allowed) * fraction**0.5)

    def excess(boundary: float) -> float:
        crossing = stats.norm.sf((boundary - grid) / step**0.5)
        return float(integrate.simpson(density * crossing, x=grid)) - allowed

    reach = REACH * fraction**0.5
    return float(optimize.brentq(excess, -reach, 2 * reach, xtol=1e-10))


def _moved(grid: Floats, density: Floats, following: Floats, step: float) -> Floats:
    """The density at the next look's grid."""
    kernel = stats.norm.pdf((following[:, None] - grid) / step**0.5) / step**0.5
    if len(grid) == 1:
        return np.asarray(kernel[:, 0])
    return np.asarray(integrate.simpson(kernel * density, x=grid, axis=1))
