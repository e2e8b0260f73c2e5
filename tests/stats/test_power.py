"""Tests of what a study can find, and how likely an effect is, against tables, simulation and conjugate priors."""

import numpy as np
import pytest
from scipy import stats

from augdistill.stats import contrasts as st
from augdistill.stats.pooled import pooled
from augdistill.stats.power import detectable, probability_above, with_more_blocks


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
