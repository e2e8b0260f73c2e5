"""Tests of rank correlations against scipy.stats, all permutations and a naive loop."""

import itertools

import numpy as np
import pytest
from scipy import stats

from augdistill.stats.ranks import rho_range, spearman


@pytest.mark.parametrize("values", [([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5]), ([1, 1, 2, 3, 5], [5, 4, 4, 2, 1])])
def test_spearman_is_scipys_with_its_exact_permutations(values):
    x, y = values
    found = spearman(x, y)
    assert found.exact
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    for side, p in (("greater", found.p_above), ("less", found.p_below)):
        reference = stats.permutation_test(
            (x,), lambda x: stats.spearmanr(x, y).statistic, permutation_type="pairings", alternative=side
        )
        assert p == pytest.approx(reference.pvalue)


def test_five_strategies_cannot_give_less_than_one_in_sixty():
    """The claims file: with 5 strategies the smallest (two-sided) p is 0.017."""
    assert 2 * spearman([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]).p_below == pytest.approx(1 / 60)
    assert 2 * spearman(range(8), range(8)[::-1]).p_below < 0.025 / 13


def test_each_permutation_p_is_reached_by_just_that_share_of_all_orders():
    x = [1, 2, 3, 4, 5, 6]
    p = np.array([spearman(x, order).p_below for order in itertools.permutations(x)])
    for value in np.unique(p):
        assert (p <= value + 1e-12).mean() == pytest.approx(value)


def test_partial_spearman_is_the_textbook_formula_on_ranks():
    rng = np.random.default_rng(5)
    x, y, z = rng.normal(size=(3, 8))
    xy, xz, yz = (stats.spearmanr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert spearman(x, y, given=z).rho == pytest.approx(expected)


def test_beyond_nine_strategies_permutations_are_drawn_from_the_generator_given():
    rng = np.random.default_rng(6)
    x = rng.normal(size=12)
    y = -x + rng.normal(size=12)
    found = spearman(x, y, rng=np.random.default_rng(0))
    assert not found.exact
    assert found.p_below == pytest.approx(stats.spearmanr(x, y, alternative="less").pvalue, abs=0.005)
    assert found == spearman(x, y, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="pass rng"):
        spearman(x, y)


def test_ranks_that_do_not_vary_or_are_determined_by_the_third_variable_have_no_correlation():
    assert np.isnan(spearman([1, 1, 1, 1], [1, 2, 3, 4]).rho)
    assert np.isnan(spearman([1, 2, 3, 4], [1, 3, 2, 4], given=[10, 20, 30, 40]).rho)
    assert np.isnan(spearman([1, 2], [2, 1]).p_below)


def test_the_range_of_rho_is_that_of_resampled_blocks():
    """A naive loop over the same draws; blocks of a strategy go together in all variables."""
    rng = np.random.default_rng(7)
    x = [rng.normal(i, 1, n) for i, n in enumerate((3, 4, 3, 5, 3))]
    y = [values + rng.normal(0, 1, len(values)) for values in x]
    low, high = rho_range([x, y], np.random.default_rng(0), draws=400)
    again, found = np.random.default_rng(0), []
    drawn = [again.integers(len(values), size=(400, len(values))) for values in x]
    for k in range(400):
        means = [[each[s][drawn[s][k]].mean() for s in range(5)] for each in (x, y)]
        found.append(stats.spearmanr(*means).statistic)
    assert (low, high) == pytest.approx(tuple(np.quantile(found, [0.05, 0.95])))
    exact = [[values.mean()] * len(values) for values in y]
    assert rho_range([exact, exact], np.random.default_rng(0)) == pytest.approx((1.0, 1.0))
    third = rho_range([x, y, [[float(i % 3)] * len(v) for i, v in enumerate(x)]], np.random.default_rng(0))
    assert -1 <= third[0] < third[1] <= 1
    assert np.isnan(rho_range([[[1.0]] * 4, [[1.0]] * 4], np.random.default_rng(0))).all()
