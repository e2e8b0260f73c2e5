"""Tests of outcomes: read off intervals whose ends are known, and decided by Holm's procedure."""

import itertools

import numpy as np
import pytest

from augdistill.stats import contrasts as st
from augdistill.stats import decisions as de
from augdistill.stats.decisions import decide, difference_levels, equivalence_levels, outcome_at
from simulated_studies import at_most, one_sided


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


@pytest.mark.parametrize("effects", [0, 2, 5], ids=lambda count: f"{count} true effects")
def test_a_family_has_a_wrong_outcome_in_at_most_5_percent_of_studies(effects):
    """Ten claims of one teacher arm against the same baseline, some of them true; any wrong outcome counts."""
    rng, family = np.random.default_rng(9), 10
    truth = np.where(np.arange(family) < effects, 4.0, 0.0)
    baseline = rng.normal(size=(2000, 1, 5))
    arms = truth[:, None] + rng.normal(size=(2000, family, 5))
    p = one_sided(st.welch_corrected(arms, np.broadcast_to(baseline, arms.shape)), 0.5)
    wrong = 0
    for study in range(2000):
        levels = {
            str(i): de.difference_levels(*(p[name][study, [i]] for name in ("above", "below", "short")))
            for i in range(family)
        }
        decided = [found.outcome for found in de.decide(levels, lambda alpha: alpha).values()]
        right = [(de.OPEN, de.SUPPORTED if effect else de.EXCLUDED) for effect in truth]
        wrong += any(outcome not in allowed for outcome, allowed in zip(decided, right, strict=True))
    assert at_most(wrong, 2000, 0.05)
