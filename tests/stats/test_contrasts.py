"""Tests of the statistics against scipy.stats, naive float64 computations and figures from tables."""

import itertools

import numpy as np
import pytest
from scipy import stats

from augdistill.claims.comparison import not_significantly_below_best
from augdistill.stats import contrasts as st
from augdistill.stats.decisions import decide, difference_levels, equivalence_levels, outcome_at
from augdistill.stats.ranks import rho_range, spearman


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


def decided(means, se=1.0, margin=10.0, level=0.05, kind="difference"):
    """The outcome for parts with normal intervals: value +- 1.96 se at 5 %."""
    estimate = st.Estimate(np.array(means, float), np.full(len(means), se), np.full(len(means), 1e9))
    if kind == "equivalence":
        within, outside = st.tost(estimate, margin), st.p_outside(estimate, margin)
        return outcome_at(equivalence_levels(within, outside), level)
    short = st.p_below(estimate, margin)
    return outcome_at(difference_levels(st.p_above(estimate), st.p_below(estimate), short), level)


@pytest.mark.parametrize(
    ("means", "margin", "outcome"),
    [
        ([2.0, 5.0], 1.0, "supported"),
        ([1.9, 5.0], 1.0, "open"),
        ([-2.0, -9.0], 1.0, "contradicted"),
        ([3.0, -2.3], 1.0, "contradicted in part"),
        ([3.0, -2.2], 1.0, "open"),
        ([-1.9], 1.0, "excluded beyond the margin"),
        ([-1.9, -1.0], 1.0, "excluded beyond the margin"),
        ([-1.9, 0.0], 1.0, "open"),
        ([2.1, 2.1], 4.2, "supported"),
    ],
)
def test_outcomes_are_read_off_the_intervals(means, margin, outcome):
    """At 5 %: half-widths are 1.96, and 2.24 where one of two parts counts alone (refutation in part)."""
    assert decided(means, margin=margin) == outcome


@pytest.mark.parametrize(
    ("means", "margin", "outcome"),
    [
        ([0.5, -1.0], 3.0, "supported"),
        ([0.5, -1.1], 3.0, "open"),
        ([0.0, 5.3], 3.0, "contradicted"),
        ([0.0, 5.1], 3.0, "open"),
    ],
)
def test_no_difference_is_refuted_by_one_part_beyond_the_margin(means, margin, outcome):
    assert decided(means, margin=margin, kind="equivalence") == outcome


def test_a_part_that_was_not_tested_keeps_a_claim_open_unless_another_refutes_it():
    above, below, short = np.array([0.001, np.nan]), np.array([0.999, np.nan]), np.array([0.9, np.nan])
    assert outcome_at(difference_levels(above, below, short), 0.05) == "open"
    assert outcome_at(difference_levels(below, above, short), 0.05) == "contradicted in part"


def test_holms_procedure_decides_as_adjusted_p_do_and_says_its_steps():
    for p in itertools.product([0.004, 0.011, 0.02, 0.03, 0.2], repeat=3):
        family = {str(i): {"supported": np.array(value)} for i, value in enumerate(p)}
        found = decide(family, lambda alpha: alpha, 0.05)
        assert [found[claim].outcome == "supported" for claim in family] == [q <= 0.05 for q in st.holm(p)]
        for decision in found.values():
            assert decision.level == pytest.approx(0.05 / (3 - decision.step + 1))
    assert decide({}, lambda alpha: alpha) == {}


def test_arms_as_good_as_the_best():
    rng = np.random.default_rng(14)
    arms = {"best": 0.9 + 0.01 * rng.normal(size=5), "close": 0.899 + 0.01 * rng.normal(size=5)}
    arms |= {"far": 0.7 + 0.01 * rng.normal(size=5), "single": [0.5], "none": []}
    assert not_significantly_below_best(arms) == {"best", "close", "single"}
    assert not_significantly_below_best({}) == set()
    assert not_significantly_below_best({"only": [0.5, 0.6]}) == {"only"}


def test_the_truly_best_arm_is_marked_in_at_least_95_percent_of_columns():
    """Five equal arms, each in turn the truly best one; the observed best is chosen from the same values."""
    rng, marked, trials = np.random.default_rng(15), 0, 1000
    for _ in range(trials):
        marked += "0" in not_significantly_below_best({str(arm): rng.normal(size=5) for arm in range(5)})
    assert marked >= stats.binom.ppf(0.001, trials, 0.95)
