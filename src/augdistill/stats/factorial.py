"""Effects of two-level factors, by least squares with blocks; the residual is pooled over cells and blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from augdistill.base.arrays import Floats
from augdistill.stats.contrasts import ROUNDING, Estimate

Term = tuple[int, ...]
"""the factors, by number, whose levels' product a term is: one for a main effect, two for an interaction"""


@dataclass(frozen=True)
class FactorialFit:
    """The effects of terms [t], each the mean response at +1 minus that at -1, and the mean over blocks."""

    terms: tuple[Term, ...]
    effects: Estimate
    mean: float

    @property
    def df(self) -> int:
        """The degrees of freedom of the residual."""
        return int(np.nan_to_num(self.effects.df[0]))

    def mean_at(self, levels: dict[int, int]) -> float:
        """Return the fitted mean at these levels of some factors, at the middle of all others."""
        signs = [np.prod([levels[factor] for factor in term]) if set(term) <= set(levels) else 0 for term in self.terms]
        return float(self.mean + (np.array(signs) * np.nan_to_num(self.effects.value)).sum() / 2)


def columns(levels: ArrayLike, terms: Sequence[Term]) -> Floats:
    """Return the products of the levels [n, k], -1 and +1, that terms are: [n, t]."""
    signs = np.asarray(levels, dtype=np.float64)
    return np.stack([signs[:, list(term)].prod(axis=1) for term in terms], axis=1)


def fit(levels: ArrayLike, blocks: ArrayLike, responses: ArrayLike, terms: Sequence[Term]) -> FactorialFit:
    """Return the least-squares fit of block + terms to responses [n] at levels [n, k] in blocks [n].

    What is not in the model is in the residual, which serves all terms. An effect that the data do not determine is NaN
    and so are standard errors without degrees of freedom; the standard error is 0 where the fit is exact.
    """
    target = np.asarray(responses, dtype=np.float64)
    names, place = np.unique(np.asarray(blocks), return_inverse=True)
    design = np.concatenate([np.eye(len(names))[place], columns(levels, terms)], axis=1)
    inverse = linalg.pinv(design.T @ design)
    beta = inverse @ (design.T @ target)
    df = len(target) - int(np.linalg.matrix_rank(design))
    residual = target - design @ beta
    exact = np.abs(residual).max() <= ROUNDING * np.abs(target).max()
    variance = np.nan if df < 1 else 0.0 if exact else float(residual @ residual) / df
    own = slice(len(names), None)
    is_determined = np.isclose((inverse @ design.T @ design)[own], np.eye(len(beta))[own], atol=1e-8).all(axis=1)
    value = np.where(is_determined, 2 * beta[own], np.nan)
    se = np.where(is_determined, 2 * np.sqrt(variance * np.diag(inverse)[own]), np.nan)
    estimate = Estimate(value, se, np.full(len(terms), float(df) if df > 0 else np.nan))
    return FactorialFit(tuple(terms), estimate, float(beta[: len(names)].mean()))
