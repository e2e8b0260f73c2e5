"""Tests of contrasts against scipy.stats, naive float64 computations and figures from tables."""

import numpy as np
import pytest
from scipy import stats

from augdistill.stats import contrasts as st
from simulated_studies import DECIDING


@pytest.fixture(params=[(5, 5), (3, 8)], ids=["5 and 5", "3 and 8"])
def arms(request):
    rng = np.random.default_rng(request.param)
    return rng.normal(1.0, 0.3, request.param[0]), rng.normal(0.6, 1.5, request.param[1])


def test_welch_is_scipys(arms):
    found, expected = st.welch(*arms), stats.ttest_ind(*arms, equal_var=False)
    assert found.value / found.se == pytest.approx(expected.statistic)
    assert found.df == pytest.approx(expected.df)
    assert st.p_two_sided(found) == pytest.approx(expected.pvalue)
    for p, side in ((st.p_above, "greater"), (st.p_below, "less")):
        assert p(found) == pytest.approx(stats.ttest_ind(*arms, equal_var=False, alternative=side).pvalue)
    for alpha in (0.05, 0.002):
        low, high = expected.confidence_interval(1 - alpha)
        assert st.interval(found, alpha) == pytest.approx((low, high))


def test_paired_is_scipys():
    rng = np.random.default_rng(0)
    a = rng.normal(size=6)
    b = a + rng.normal(0.3, 0.2, 6)
    found, expected = st.paired(a, b), stats.ttest_rel(a, b)
    assert st.p_two_sided(found) == pytest.approx(expected.pvalue)
    assert found.df == expected.df == 5
    assert st.interval(found) == pytest.approx(tuple(expected.confidence_interval()))


def test_tests_against_a_margin_are_scipys_of_shifted_values(arms):
    a, b = arms
    found = st.welch(a, b)
    above_low = stats.ttest_ind(a + 0.5, b, equal_var=False, alternative="greater").pvalue
    below_high = stats.ttest_ind(a - 0.5, b, equal_var=False, alternative="less").pvalue
    assert st.tost(found, 0.5) == pytest.approx(max(above_low, below_high))
    assert st.p_outside(found, 0.5) == pytest.approx(min(1 - above_low, 1 - below_high))


def test_two_one_sided_tests_agree_with_the_interval(arms):
    """Schuirmann: p <= 0.05 exactly where the 90 % interval lies inside the margin."""
    found = st.welch(*arms)
    low, high = st.interval(found, 0.10)
    edge = max(abs(low), abs(high))
    assert st.tost(found, edge) == pytest.approx(0.05)
    assert st.tost(found, edge * 1.01) < 0.05 < st.tost(found, edge * 0.99)


def test_many_contrasts_at_once_are_the_same_one_by_one():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(7, 2, 5)), rng.normal(size=(7, 2, 4))
    together = st.p_above(st.welch(a, b))
    assert together.shape == (7, 2)
    for index in np.ndindex(7, 2):
        assert together[index] == pytest.approx(float(st.p_above(st.welch(a[index], b[index]))))


@pytest.mark.parametrize(
    ("plus", "minus"),
    [([0.9], [0.8, 0.7]), ([0.9, 0.9], [0.8, 0.8]), ([], [0.8, 0.7]), ([0.1 + 0.2, 0.3], [0.2, 0.2])],
    ids=["one block", "no variance", "no block", "rounding is no variance"],
)
def test_nothing_to_test_is_nan_and_not_a_p(plus, minus):
    found = st.welch(plus, minus)
    for value in (st.p_above(found), st.p_two_sided(found), st.tost(found, 1.0), *st.interval(found)):
        assert np.isnan(value)
    assert np.isnan(st.hedges_g(plus, minus)).all()


def test_pairs_that_differ_by_a_constant_are_not_tested():
    a = np.random.default_rng(2).normal(0.7, 0.01, 5)
    assert np.isnan(st.p_above(st.paired(a, a - 0.1)))


def test_one_arm_without_variance_is_tested_with_the_others_degrees_of_freedom():
    found = st.welch([1.0, 1.0, 1.0], [0.1, 0.4, 0.2])
    assert found.df == pytest.approx(2.0)
    assert st.p_above(found) == pytest.approx(stats.ttest_1samp([0.1, 0.4, 0.2], 1.0, alternative="less").pvalue)


def test_ancova_is_least_squares_with_an_intercept_for_each_arm():
    rng = np.random.default_rng(3)
    sizes = (5, 4, 6)
    x = [rng.normal(i, 1, n) for i, n in enumerate(sizes)]
    y = [2.0 * i + 0.7 * values + rng.normal(0, 0.3, len(values)) for i, values in enumerate(x)]
    design = np.zeros((sum(sizes), 4))
    for arm, rows in enumerate(np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])):
        design[rows, arm] = 1
    design[:, 3] = np.concatenate(x)
    target = np.concatenate(y)
    beta, (residual,), *_ = np.linalg.lstsq(design, target)
    contrast = np.array([1.0, 0.0, -1.0, 0.0])
    covariance = np.linalg.inv(design.T @ design) * residual / (len(target) - 4)
    found = st.ancova(y, x, 0, 2)
    assert found.value == pytest.approx(contrast @ beta)
    assert found.se == pytest.approx(np.sqrt(contrast @ covariance @ contrast))
    assert found.df == len(target) - 4


def test_ancova_without_degrees_of_freedom_is_undefined():
    assert np.isnan(
        st.ancova([np.array([1.0]), np.array([2.0, 3.0])], [np.array([1.0]), np.array([2.0, 2.5])], 0, 1).se
    )


def test_holm_by_hand_and_with_tests_that_could_not_be_made():
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") gives 0.03 0.06 0.06 0.02."""
    assert st.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert st.holm([0.01, np.nan]) == pytest.approx([0.02, 1.0])
    assert st.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert st.holm([]).size == 0


def test_intersection_union_takes_the_largest_and_keeps_what_is_unknown():
    assert st.intersection_union([[0.01, 0.2], [0.03, 0.02]]) == pytest.approx([0.2, 0.03])
    assert np.isnan(st.intersection_union([0.01, np.nan]))


def test_hedges_g_by_hand():
    """Means 5 and 3, variances 2.5 both: d = 2 / sqrt(2.5); J = 1 - 3 / (4 * 8 - 1) for 5 + 5 blocks."""
    a, b = [3.0, 4.0, 5.0, 6.0, 7.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    g, low, high = st.hedges_g(a, b)
    assert g == pytest.approx(2 / np.sqrt(2.5) * (1 - 3 / 31))
    assert low < g < high
    assert st.hedges_g(a, b[::-1], pairs=True)[0] == pytest.approx(2 / np.sqrt(2.5) * (1 - 3 / 15))


@pytest.mark.parametrize("pairs", [False, True])
def test_the_interval_of_hedges_g_covers_the_truth(pairs):
    rng, covered, trials = np.random.default_rng(4), 0, 1500
    for _ in range(trials):
        common = rng.normal(size=20) if pairs else 0.0
        a, b = common + rng.normal(1.0, 1.0, 20), common + rng.normal(0.0, 1.0, 20)
        _, low, high = st.hedges_g(a, b, pairs=pairs)
        covered += low <= 1 / (np.sqrt(2) if pairs else 1) <= high
    assert 0.93 <= covered / trials <= 0.975


def test_the_old_rules_found_the_printed_losses_in_3_percent_of_studies():
    """Three blocks, one student, Welch, both parts needed: why the rules changed."""
    rng = np.random.default_rng(13)
    responses = 0.58 * rng.normal(size=(20_000, 3, 3)) + np.array([3.1, 1.2, 0.0])[:, None]
    p = [st.p_above(st.welch(responses[:, 0], responses[:, arm])) for arm in (1, 2)]
    assert (2 * np.maximum(*p) <= DECIDING).mean() < 0.05
