"""Tests of the true size of Welch's test against simulation, and of p-values corrected by it."""

from dataclasses import replace

import numpy as np
import pytest

from augdistill.stats import contrasts as st
from augdistill.stats.welch_size import corrected, nominal_level, true_size
from simulated_studies import DECIDING, MANY, at_most

ONE_SIDED = 0.00105  # half of 0.025 / 12, the level of the first of Holm's steps


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


@pytest.mark.parametrize("ratio", [1, 5, 10])
@pytest.mark.parametrize("blocks", [(3, 3), (5, 5), (3, 5), (10, 10)], ids=str)
def test_size_under_separate_variances(blocks, ratio):
    """Welch's own p would spend up to 2.8 times the level, the corrected one never more than it."""
    rng = np.random.default_rng([21, *blocks, ratio])
    estimate = st.welch_corrected(rng.normal(size=(MANY, blocks[0])), ratio * rng.normal(size=(MANY, blocks[1])))
    assert at_most((st.p_two_sided(estimate) <= DECIDING).sum(), MANY, DECIDING)
    if (blocks, ratio) == ((3, 3), 10):
        assert not at_most((st.p_two_sided(replace(estimate, counts=None)) <= DECIDING).sum(), MANY, 1.8 * DECIDING)
