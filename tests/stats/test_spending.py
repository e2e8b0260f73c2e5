"""Tests of the level of each look against tables and simulated walks."""

import numpy as np
import pytest
from scipy import stats

from augdistill.stats import contrasts as st
from augdistill.stats.pooled import pooled
from augdistill.stats.spending import look_level, spent
from simulated_studies import GROUP, MANY, at_least, at_most


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


@pytest.mark.parametrize("looks", [(6,), (3, 6), (2, 3, 4, 5, 6), (2, 4, 6, 8)], ids=str)
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 12])
def test_all_looks_together_spend_no_more_than_they_may(alpha, looks):
    """t tests of growing studies, planned at six blocks; what is looked at after that has nothing left."""
    rng = np.random.default_rng([8, *looks])
    responses, wrong = rng.normal(size=(MANY, 5, max(looks))), np.zeros(MANY, dtype=bool)
    for number, blocks in enumerate(looks, start=1):
        p = st.p_two_sided(pooled(responses[..., :blocks], GROUP))
        wrong |= p <= look_level(looks[:number], 6, alpha)
    assert at_most(wrong.sum(), MANY, alpha * 1.05)  # levels are those of a normal walk
    assert at_least(wrong.sum(), MANY, alpha * 0.8)
