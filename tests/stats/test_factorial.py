"""Effects of factors against known ones, least squares by hand, and the size and power that a design promises."""

import itertools

import numpy as np
import pytest
from scipy import stats

from augdistill.config.factors import LETTERS, Factor, FactorialDesign, factorial
from augdistill.stats.contrasts import holm, p_two_sided
from augdistill.stats.factorial import columns, fit

FULL = np.array(list(itertools.product((-1, 1), repeat=3)))
TERMS = [(0,), (1,), (2,), (0, 1)]


def seven_factors():
    """The design of factors.md: levels [32, 7], blocks [32], and the terms of its model."""
    factors = {letter: Factor(low={f"optim.{letter}": 0}, high={f"optim.{letter}": 1}) for letter in "ABCDEFG"}
    design = factorial(factors, FactorialDesign(generators=("F=ABCD", "G=ABDE"), blocks=("ABD", "ACE")))
    terms = [tuple(map(LETTERS.index, word)) for word in (*design.letters, *design.clear)]
    return np.array([cell.signs for cell in design.cells]), np.array([cell.block for cell in design.cells]), terms


def test_known_effects_are_found_exactly_without_noise():
    blocks = np.repeat([0, 1], 8)
    levels = np.concatenate([FULL, FULL])
    response = 3 + 5 * blocks + levels @ [0.5, -1.0, 0.0] + 0.25 * levels[:, 0] * levels[:, 1]
    found = fit(levels, blocks, response, TERMS)
    np.testing.assert_allclose(found.effects.value, [1.0, -2.0, 0.0, 0.5], atol=1e-12)
    assert (found.df, list(found.effects.se)) == (16 - 2 - 4, [0.0] * 4)
    assert found.mean == pytest.approx(3 + 2.5)
    assert found.mean_at({0: 1, 1: -1}) == pytest.approx(5.5 + 0.5 + 1.0 - 0.25)


def test_estimates_are_those_of_normal_equations_also_where_cells_are_missing():
    rng = np.random.default_rng(0)
    levels, blocks = np.concatenate([FULL, FULL])[1:-2], np.repeat([0, 1], 8)[1:-2]
    response = rng.normal(size=13)
    found = fit(levels, blocks, response, TERMS)
    x = np.column_stack([np.ones(13), blocks, levels, levels[:, 0] * levels[:, 1]]).astype(float)
    beta, (squares,), rank, _ = np.linalg.lstsq(x, response, rcond=None)
    covariance = squares / (13 - rank) * np.linalg.inv(x.T @ x)
    np.testing.assert_allclose(found.effects.value, 2 * beta[2:], rtol=1e-9)
    np.testing.assert_allclose(found.effects.se, 2 * np.sqrt(np.diag(covariance))[2:], rtol=1e-9)
    assert found.df == 13 - rank


def test_what_the_data_do_not_determine_is_undefined():
    alone = fit(FULL[:4], [0] * 4, [1.0, 2.0, 3.0, 5.0], TERMS[:3])  # the first factor is low in all of them
    assert np.isnan(alone.effects.value[0])
    assert np.isfinite(alone.effects.value[1])
    full = fit(FULL[:, :2][::2], [0] * 4, [1.0, 2.0, 3.0, 5.0], [(0,), (1,), (0, 1)])
    assert full.df == 0
    assert np.isnan(full.effects.se).all()
    assert np.isfinite(full.effects.value).all()
    np.testing.assert_array_equal(columns(FULL, [(0, 2)])[:, 0], FULL[:, 0] * FULL[:, 2])


def test_the_design_for_cifar10_has_the_size_and_power_that_it_was_chosen_for():
    """factors.md: standard error 0.20; power after Holm 0.49 at 0.75 points, 0.78 at 1, 0.99 at 1.5."""
    levels, blocks, terms = seven_factors()
    rng, sd = np.random.default_rng(1), 0.2 * np.sqrt(32) / 2
    first = fit(levels, blocks, rng.normal(size=32), terms)
    assert first.df == 32 - 4 - 7 - 15 == 6
    ratio = []
    counts = dict.fromkeys((0.0, 0.75, 1.0, 1.5), 0)
    for effect in counts:
        for _ in range(400):
            found = fit(levels, blocks, rng.normal(size=32) * sd + levels[:, 0] * effect / 2 + blocks, terms)
            p = holm(p_two_sided(found.effects)[:7])
            counts[effect] += bool((p <= 0.05).any() if effect == 0 else p[0] <= 0.05)
            ratio.append(float(found.effects.se[0] ** 2))
    assert np.sqrt(np.mean(ratio)) == pytest.approx(0.20, abs=0.01)
    for effect, expected in ((0.0, 0.046), (0.75, 0.49), (1.0, 0.78), (1.5, 0.99)):
        low, high = stats.binom.interval(0.9999, 400, expected)
        assert low <= counts[effect] <= high, (effect, counts[effect])
