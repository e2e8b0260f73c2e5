"""The two kinds of variance, the images' part, looks, and what follows from a standard error, against other figures."""

import numpy as np
import pytest
from scipy import stats

from augdistill.stats import contrasts as st
from augdistill.stats.floors import ece_floor
from augdistill.stats.images import image_variance, with_images
from augdistill.stats.pooled import pooled, sd_ratio
from augdistill.stats.power import detectable, probability_above, with_more_blocks
from augdistill.stats.spending import look_level, spent
from augdistill.stats.welch_size import corrected, nominal_level, true_size

ONE_SIDED = 0.00105  # half of 0.025 / 12, the level of the first of Holm's steps


# --- one variance for all arms --------------------------------------------------------------------------------------


def least_squares(values, weights):
    arms, blocks = values.shape
    arm, block = np.nonzero(np.isfinite(values))
    design = np.c_[np.eye(arms)[arm], np.eye(blocks)[block][:, 1:]]
    target = values[arm, block]
    beta, *_ = np.linalg.lstsq(design, target, rcond=None)
    df = len(target) - arms - blocks + 1
    variance = ((target - design @ beta) ** 2).sum() / df
    full = np.r_[weights, np.zeros(blocks - 1)]
    return full @ beta, np.sqrt(variance * full @ np.linalg.inv(design.T @ design) @ full), df


@pytest.mark.parametrize("missing", [[], [(1, 2)], [(0, 0), (3, 4)]], ids=["balanced", "one missing", "two missing"])
def test_the_additive_model_is_least_squares_with_dummies(missing):
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(4, 5)) + rng.normal(size=5), np.array([1.0, 0, -0.5, -0.5])
    for place in missing:
        values[place] = np.nan
    found = pooled(values, weights)
    assert (found.value, found.se, found.df) == pytest.approx(least_squares(values, weights))


def test_two_arms_under_one_variance_are_the_paired_test():
    a, b = np.random.default_rng(1).normal(size=(2, 6))
    assert st.p_two_sided(pooled([a, b], [1, -1])) == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_a_contrast_that_the_data_do_not_determine_has_no_standard_error():
    apart = np.array([[1.0, 2.0, np.nan, np.nan], [1.5, 2.0, np.nan, np.nan], [np.nan, np.nan, 1.0, 2.0]])
    assert np.isnan(pooled(apart, [1, 0, -1]).se)
    assert np.isfinite(pooled(apart, [1, -1, 0]).se)
    assert np.isnan(pooled(np.ones((3, 1)), [1, -1, 0]).se)
    assert pooled(np.ones((3, 4)) + np.arange(4), [1, -1, 0]).se == 0


def test_the_ratio_of_spreads_is_that_of_standard_deviations():
    assert sd_ratio([[1, 2, 3], [0, 4, 8], [5, np.nan, 6]]) == pytest.approx(4 / 0.5**0.5)
    assert sd_ratio([[1, 2, 3]]) == 1
    assert sd_ratio([[1, 1, 1], [1, 2, 3]]) == np.inf


# --- Welch's true size ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "ratio"), [(3, 3, 10), (5, 5, 3), (3, 6, 0.2), (2, 2, 1)])
def test_the_integral_of_welchs_size_is_what_simulation_finds(n, m, ratio):
    rng, level, trials = np.random.default_rng(2), 0.01, 200_000
    plus, minus = rng.normal(size=(trials, n)), ratio * rng.normal(size=(trials, m))
    share = (1 / n) / (1 / n + ratio**2 / m)
    expected = float(true_size([level], [share], n, m)[0, 0])
    counted = (st.p_above(st.welch(plus, minus)) <= level).mean()
    assert counted == pytest.approx(expected, abs=4 * (expected / trials) ** 0.5)


def test_welch_spends_up_to_2_to_3_times_its_nominal_level_and_the_correction_undoes_it():
    worst = [float(true_size([ONE_SIDED], np.linspace(0.001, 0.999, 400), n, n).max()) for n in (3, 5)]
    assert 2.7 < worst[0] / ONE_SIDED < 2.9
    assert 1.5 < worst[1] / ONE_SIDED < 2.0
    for n, size in zip((3, 5), worst, strict=True):
        assert float(corrected(ONE_SIDED, n, n)) == pytest.approx(size, rel=0.01)
        assert nominal_level(float(corrected(ONE_SIDED, n, n)), n, n) == pytest.approx(ONE_SIDED, rel=1e-6)


def test_corrected_p_values_rise_with_p_are_never_smaller_and_end_at_half():
    p = np.array([1e-300, 1e-20, 1e-13, 1e-6, 0.01, 0.3, 0.5, 0.8, 1.0, np.nan])
    found = corrected(p, 3, 4)
    assert (np.diff(found[:-1]) > 0).all()
    assert (found[:-1] >= p[:-1] * (1 - 1e-9)).all()
    assert found[6:9] == pytest.approx(p[6:9])
    assert np.isnan(found[-1])
    assert corrected(0.01, 200, 200) == pytest.approx(0.01, rel=0.02)


def test_an_interval_of_welchs_corrected_test_ends_where_its_p_is_the_level():
    rng = np.random.default_rng(3)
    found = st.welch_corrected(rng.normal(1, 1, 4), rng.normal(0, 3, 5))
    for alpha in (0.05, 0.002):
        low, high = st.interval(found, alpha)
        assert st.p_above(found, low) == pytest.approx(alpha / 2, rel=1e-3)
        assert st.p_below(found, high) == pytest.approx(alpha / 2, rel=1e-3)


# --- test images ----------------------------------------------------------------------------------------------------


def correct(rng, blocks, images, bias, block_sd=0.1):
    """Correctness of two arms: each finds other images hard, by `bias`; the population's difference is 0."""
    difficulty, own = rng.normal(0.5, 1.0, images), bias * rng.normal(0.0, 1.0, images)
    return [
        rng.normal(size=(blocks, images)) < difficulty + side * own + rng.normal(0, block_sd, (blocks, 1))
        for side in (-1, 1)
    ]


@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_the_images_part_makes_the_variance_that_of_new_images_and_blocks(bias):
    rng, found, values, inside = np.random.default_rng(4), [], [], 0
    for _ in range(1500):
        a, b = correct(rng, 5, 120, bias)
        estimate = st.welch(a.mean(axis=1), b.mean(axis=1))
        whole = with_images(estimate, image_variance(a, b), 120)
        low, high = st.interval(whole)
        values.append(float(whole.value))
        found.append(float(whole.se) ** 2)
        inside += low <= 0 <= high
    assert np.mean(found) == pytest.approx(np.var(values), rel=0.1 if bias else 0.25)  # max(0, .) can only add
    assert inside >= 0.93 * 1500


def test_images_that_all_blocks_see_alike_add_the_whole_of_their_variance():
    a = np.tile(np.arange(10) < 7, (3, 1))
    b = np.tile(np.arange(10) % 2 == 0, (3, 1))
    difference = a[0].astype(float) - b[0]
    assert image_variance(a, b) == pytest.approx(difference.var(ddof=1) / 10)
    assert image_variance(a, a) == 0


# --- looks ----------------------------------------------------------------------------------------------------------


def test_the_spending_function_is_obrien_and_flemings():
    """Lan and DeMets (1983), one-sided 2.5 %: half way 0.0015, the whole at the end."""
    assert spent(0.5, 0.025) == pytest.approx(0.00153, abs=1e-5)
    assert (spent(0, 0.025), spent(1, 0.025), spent(2, 0.025)) == (0, pytest.approx(0.025), pytest.approx(0.025))


def test_levels_are_those_of_tables():
    """gsDesign, sfLDOF, two looks at half and all, one-sided 2.5 %: z = 2.963 and 1.969."""
    levels = look_level((3,), 6, 0.05), look_level((3, 6), 6, 0.05)
    assert stats.norm.isf(np.array(levels) / 2) == pytest.approx([2.963, 1.969], abs=2e-3)
    assert look_level((6,), 6, 0.05) == pytest.approx(0.05, rel=1e-9)
    assert look_level((6, 8), 6, 0.05) == 0


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 12])
def test_all_looks_together_spend_alpha(alpha):
    rng, looks = np.random.default_rng(5), (2, 3, 4, 6)
    walk = rng.normal(size=(400_000, 6)).cumsum(axis=1)
    crossed = np.zeros(len(walk), dtype=bool)
    for number, blocks in enumerate(looks, start=1):
        z = np.abs(walk[:, blocks - 1]) / blocks**0.5
        crossed |= z >= stats.norm.isf(look_level(looks[:number], 6, alpha) / 2)
    assert crossed.mean() == pytest.approx(alpha, abs=4 * (alpha / len(walk)) ** 0.5)


# --- what could be found, and how likely it is ------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "n"), [(1.0, 17), (0.5, 64), (0.8, 26)])
def test_the_detectable_difference_is_that_of_sample_size_tables(d, n):
    """Cohen (1988), G*Power 3: t tests of n and n, two-sided 5 %, power 80 %."""
    here, before = (
        detectable(st.Estimate(np.array(0.0), np.sqrt(np.array(2 / size)), np.array(2.0 * size - 2)), 0.05)
        for size in (n, n - 1)
    )
    assert here <= d < before


def test_the_detectable_difference_is_found_in_four_of_five_studies():
    rng, level = np.random.default_rng(6), 0.0042
    values = rng.normal(size=(20_000, 5, 6))
    weights = np.array([1, 0, 0, -0.5, -0.5])
    truth = st.Estimate(np.array(0.0), np.array((1.5 / 6) ** 0.5), np.array(20.0))
    size = detectable(truth, level)
    shifted = pooled(values + size * (np.arange(5) == 0)[:, None], weights)
    assert (2 * st.p_above(shifted) <= level).mean() == pytest.approx(0.8, abs=0.012)
    assert detectable(truth, level, parts=4) > size
    assert detectable(truth, 0.0) == np.inf
    assert np.isnan(detectable(st.Estimate(np.array(0.0), np.array(np.nan), np.array(4.0)), 0.05))


def test_twice_the_blocks_halve_the_blocks_variance_and_leave_that_of_the_images():
    one = st.Estimate(np.array(0.1), np.array(0.5), np.array(16.0), (5, 5))
    two = with_more_blocks(one, 5, 2, fixed=0.05)
    assert (float(two.se) ** 2, float(two.df), two.counts) == (pytest.approx(0.1 + 0.05), 36.0, (10, 10))


def test_the_probability_of_an_effect_is_the_conjugate_one_where_the_likelihood_is_normal():
    value, se, prior, margin = 1.2, 0.8, 2.0, 0.5
    weight = prior**2 / (prior**2 + se**2)
    expected = stats.norm.sf((margin - weight * value) / (weight**0.5 * se))
    found = probability_above(st.Estimate(np.array(value), np.array(se), np.array(1e7)), margin, prior)
    assert found == pytest.approx(expected, abs=1e-4)
    assert probability_above(st.Estimate(np.array(0.0), np.array(1.0), np.array(3.0)), 0.0, 2.0) == pytest.approx(0.5)


def test_the_floor_of_the_ece_is_what_perfectly_calibrated_models_score():
    rng = np.random.default_rng(7)
    counts, confidence = np.array([0, 1, 3, 20, 76]), np.array([np.nan, 0.3, 0.5, 0.7, 0.95])
    scores = np.zeros(200_000)
    for n, p in zip(counts[1:], confidence[1:], strict=True):
        scores += np.abs(rng.binomial(n, p, len(scores)) - n * p) / counts.sum()
    found = ece_floor(counts, np.nan_to_num(confidence))
    assert found == pytest.approx(scores.mean(), rel=0.01)
    assert ece_floor([10, 10], [1.0, 0.0]) == 0
    assert np.isnan(ece_floor([0], [0.0]))
