"""Tests of the verdicts on small tables of runs: every outcome, the level that decides it, and what joins studies."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from augdistill.claims.judging import join, judge
from claim_tables import (
    BLOCKS,
    CLAIMED,
    CLAIMS,
    EQUAL,
    IDS,
    STRATEGIES,
    Table,
    additive,
    both,
    cells,
    everything,
    judged,
    meta,
    model_of,
)


def test_supported_with_what_a_reader_needs():
    """Claim 2 is one planned contrast: the mean over strategies and architectures, in a model of all five arms."""
    table = both(CLAIMED)
    verdict = judged(table, "2")
    assert (verdict.outcome, verdict.negligible, verdict.is_primary) == ("supported", False, True)
    both_models = (model_of(table, STRATEGIES, "lenet") + model_of(table, STRATEGIES, "alexnet")) / 2
    value, se, df = additive(both_models, np.array([1, 0, 0, -0.5, -0.5]))
    whole = verdict.contrast
    assert (whole.estimate, whole.df, whole.method) == (pytest.approx(value), df, "one variance for all arms")
    assert df == (5 - 1) * (BLOCKS - 1)
    half = stats.t.isf(0.025, df) * se
    assert whole.ci95 == pytest.approx((value - half, value + half))
    assert whole.deciding == pytest.approx(whole.ci95)  # primary, the last look: the full level
    assert verdict.p == pytest.approx(2 * stats.t.sf(value / se, df))
    part = next(part for part in verdict.parts if part.label == "mixup lenet")
    value, se, df = additive(model_of(table, STRATEGIES, "lenet"), np.array([1, 0, 0, -1, 0]))
    assert (part.estimate, part.p) == pytest.approx((value, 2 * stats.t.sf(value / se, df)))
    a, b = (100 * cells(table, "student", "lenet", aug).mean(axis=1) for aug in ("baseline", "mixup"))
    assert (part.n_plus, part.n_minus, part.margin) == (5, 5, 0.5)
    assert (part.mean_plus, part.sd_minus) == pytest.approx((a.mean(), b.std(ddof=1)))
    assert part.printed == pytest.approx(1.9)
    assert [part.label for part in verdict.secondary][:2] == [
        "flip-crop lenet (shown too)",
        "flip-crop alexnet (shown too)",
    ]
    assert "no predictions on cifar10-test: intervals hold for these very test images" in verdict.warnings


def test_supported_and_negligible():
    verdict = judged(both({**EQUAL, "mixup": 0.647, "cutmix": 0.647}, sd=0.0002), "2", margins={"2": 1.0})
    assert (verdict.outcome, verdict.negligible, verdict.margin) == ("supported", True, 1.0)


def test_contradicted():
    assert judged(both({**EQUAL, "mixup": 0.68, "cutmix": 0.69}), "2").outcome == "contradicted"


def test_an_effect_as_large_as_the_margin_is_excluded():
    verdict = judged(both(EQUAL, sd=0.0008), "2")
    assert verdict.outcome == "excluded beyond the margin"
    assert verdict.contrast.ci95[0] < 0 < verdict.contrast.ci95[1] < 0.5
    assert verdict.detectable is None


def test_an_open_claim_says_what_could_have_been_found():
    """80 % power by the noncentral t, at the claim's own level; twice the blocks have their own degrees of freedom."""
    table = both(EQUAL, sd=0.02)
    verdict = next(v for v in judge(table.frame(), meta("2"), CLAIMS, hours=0.5) if v.claim.id == "2")
    assert verdict.outcome == "open"
    found = verdict.detectable
    responses = (model_of(table, STRATEGIES, "lenet") + model_of(table, STRATEGIES, "alexnet")) / 2
    _, se, df = additive(responses, np.array([1, 0, 0, -0.5, -0.5]))
    assert stats.nct.sf(stats.t.isf(0.025, df), df, found.now / se) == pytest.approx(0.8, abs=1e-4)
    se, df = se / 2**0.5, 4 * (2 * BLOCKS - 1)
    assert stats.nct.sf(stats.t.isf(0.025, df), df, found.twice / se) == pytest.approx(0.8, abs=1e-4)
    assert (found.blocks, found.hours) == (5, 5.0)


def test_rank_claims_are_descriptive_below_eight_strategies():
    means = {aug: 0.60 - 0.01 * i for i, aug in enumerate(STRATEGIES)}
    table = both(means).teachers({aug: 3.0 + i for i, aug in enumerate(STRATEGIES)}, metric="class_separability")
    table.teachers(dict.fromkeys(STRATEGIES, 0.9))
    verdict = judged(table, "6")
    assert verdict.outcome == "descriptive"
    assert np.isnan(verdict.p)
    low, high = verdict.parts[0].ci95_blocks
    assert low <= high <= 1.0
    assert [part.estimate for part in verdict.parts] == pytest.approx([1.0, 1.0])
    assert verdict.parts[0].p == pytest.approx(1 / 60)
    assert [part.label for part in verdict.secondary] == [
        "lenet (at equal teacher accuracy)",
        "alexnet (at equal teacher accuracy)",
    ]


def test_what_a_study_does_not_ask_says_which_study_does():
    verdicts = {verdict.claim.id: verdict for verdict in judge(both(EQUAL).frame(), meta("2"), CLAIMS)}
    assert list(verdicts) == IDS
    assert verdicts["4"].outcome == "not tested by this study"
    assert verdicts["4"].tested_by == ("paper-mnist",)
    assert verdicts["2"].tests == 1


def test_joined_studies_answer_what_either_asks():
    mnist = Table(test_set="mnist-test").students({"baseline": 0.988, "mixup": 0.98, "cutmix": 0.98}, sd=0.0003)
    other = meta("4", dataset="mnist", test_set="mnist-test", augs=["baseline", "mixup", "cutmix"], students=["lenet"])
    joined = join([judge(both(CLAIMED).frame(), meta("2"), CLAIMS), judge(mnist.frame(), other, CLAIMS)])
    words = {verdict.claim.id: verdict.outcome for verdict in joined}
    assert [verdict.claim.id for verdict in joined] == IDS
    assert (words["2"], words["4"], words["10"]) == ("supported", "supported", "not tested by this study")


def test_holm_counts_the_secondary_claims_that_can_be_tested():
    """Claim 2 is primary: it has the full level, and the others share theirs without it."""
    table = everything()
    verdicts = {v.claim.id: v for v in judge(table.frame(), meta("1", "2", "6", "12"), CLAIMS)}
    assert [verdicts[claim].tests for claim in ("1", "2", "12")] == [2, 1, 2]
    assert verdicts["2"].level == pytest.approx(0.05)
    first, second = sorted((verdicts["1"], verdicts["12"]), key=lambda verdict: verdict.p)
    assert (first.step, first.level) == (1, pytest.approx(0.025))
    assert (second.step, second.level) == ((2, pytest.approx(0.05)) if first.p <= 0.025 else (1, first.level))
    none = {v.claim.id: v for v in judge(table.frame(), meta("1", "2", "6", "12", primary=[]), CLAIMS)}
    assert [none[claim].tests for claim in ("1", "2", "12")] == [3, 3, 3]


def test_claim_10_is_contradicted_by_one_strategy_that_changes_much():
    table = Table().students(dict.fromkeys(STRATEGIES, 0.65))
    for own in STRATEGIES[1:]:
        for teacher in ("baseline", own):
            mean = 0.60 if (own, teacher) == ("cutmix", "baseline") else 0.65
            table.add("student", "lenet", teacher, mean, student_aug=own)
    verdict = judged(table, "10")
    assert verdict.outcome == "contradicted"
    assert verdict.refuted == ("cutmix (baseline teacher)",)


def test_results_read_back_from_csv_are_judged_alike(tmp_path):
    frame = everything().frame()
    frame.to_csv(tmp_path / "results.csv", index=False)
    written, read = (judge(table, meta(*IDS), CLAIMS) for table in (frame, pd.read_csv(tmp_path / "results.csv")))
    assert [verdict.outcome for verdict in written] == [verdict.outcome for verdict in read]
    assert [verdict.p for verdict in written] == pytest.approx([verdict.p for verdict in read], nan_ok=True)


def test_a_calibration_error_is_shown_with_its_floor_over_the_runs_compared():
    table = Table().teachers({"baseline": 0.06, "mixup": 0.03, "cutmix": 0.03, "cutout": 0.9}, metric="ece")
    floor = {"baseline": 0.02, "mixup": 0.01, "cutmix": 0.015}
    found = judge(table.frame(), meta("7a"), CLAIMS, floors=lambda run, _: floor[run.split("-")[2]])
    assert next(v for v in found if v.claim.id == "7a").ece_floor == (0.01, 0.02)


def test_the_probability_of_an_effect_beyond_the_margin_is_that_of_a_normal_prior():
    verdict = judged(both({**EQUAL, "mixup": 0.645, "cutmix": 0.645}, sd=0.01), "2")
    part = verdict.contrast
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 2, 400_000)
    weights = stats.t.pdf((part.estimate - effects) / float(part.contrast.se), part.df)
    assert part.probability == pytest.approx(weights[effects > 0.5].sum() / weights.sum(), abs=0.01)
    assert np.isnan(judged(Table().teachers(EQUAL, metric="ece"), "7a").parts[0].probability)
