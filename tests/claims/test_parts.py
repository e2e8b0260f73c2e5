"""Tests of single parts on small tables of runs: every test, pairing and margin by hand or by scipy."""

import numpy as np
import pytest
from scipy import stats

from augdistill.claims.judging import judge
from augdistill.stats import contrasts as st
from augdistill.stats.ranks import spearman
from claim_tables import (
    BLOCKS,
    CLAIMED,
    CLAIMS,
    STRATEGIES,
    Table,
    additive,
    both,
    cells,
    judged,
    meta,
    model_of,
    with_status,
)


def test_arms_of_unlike_scatter_are_judged_by_the_larger_p():
    table = Table().students({aug: mean for aug, mean in CLAIMED.items() if aug != "cutout"})
    table.students({"cutout": 0.65}, sd=0.05)
    verdict = judged(table, "2", students=["lenet"])
    a = 100 * cells(table, "student", "lenet", "baseline").mean(axis=1)
    b = 50 * (cells(table, "student", "lenet", "mixup") + cells(table, "student", "lenet", "cutmix")).mean(axis=1)
    _, se, df = additive(model_of(table, STRATEGIES, "lenet"), np.array([1, 0, 0, -0.5, -0.5]))
    equal = 2 * stats.t.sf((a.mean() - b.mean()) / se, df)
    assert equal > float(st.p_two_sided(st.welch_corrected(a, b)))
    assert verdict.contrast.p == pytest.approx(equal)
    assert any(text.startswith("the arms' s.d. differ by more than 3 times") for text in verdict.warnings)


def test_a_block_that_an_arm_lacks_goes_through_least_squares():
    table = Table().students(CLAIMED)
    frame = table.frame()
    verdict = judged(frame[~((frame["teacher_aug"] == "mixup") & (frame["block"] == 2))], "2", students=["lenet"])
    responses = model_of(table, STRATEGIES, "lenet")
    arm, block = np.divmod(np.arange(responses.size), BLOCKS)
    kept = ~((arm == 3) & (block == 2))
    design = np.c_[np.eye(5)[arm], np.eye(BLOCKS)[block][:, 1:]][kept]
    beta, *_ = np.linalg.lstsq(design, responses.ravel()[kept], rcond=None)
    assert verdict.contrast.estimate == pytest.approx(beta[0] - beta[3] / 2 - beta[4] / 2)
    assert verdict.contrast.df == kept.sum() - 9


def test_rank_claims_are_tested_over_eight_strategies():
    augs = [*STRATEGIES, "flip-crop+cutout", "flip-crop+mixup", "flip-crop+cutmix"]
    means = {aug: 0.60 - 0.01 * i for i, aug in enumerate(augs)}
    table = both(means).teachers({aug: 0.2 + 0.01 * i for i, aug in enumerate(augs)}, metric="discrimination_corrected")
    accuracy = dict(zip(augs, [0.85, 0.94, 0.88, 0.87, 0.95, 0.90, 0.93, 0.91], strict=True))
    table.teachers(accuracy, sd=0.0001)
    verdict = judged(table, "13", augs=augs)
    assert verdict.outcome == "supported"
    assert verdict.p == pytest.approx(2 / 40320)
    partial = spearman(range(8), list(range(8))[::-1], given=list(accuracy.values()))
    assert verdict.secondary[0].estimate == pytest.approx(-partial.rho)
    short = table.frame()
    short = short[~((short["teacher_aug"] == "cutmix") & (short["role"] == "student"))]
    assert judged(short, "13", augs=augs).parts[0].reason == "7 of 8 strategies have values"


def test_rank_claims_say_what_they_lack():
    means = {aug: 0.60 - 0.01 * i for i, aug in enumerate(STRATEGIES)}
    table = both(means).teachers({aug: 3.0 + i for i, aug in enumerate(STRATEGIES)}, metric="class_separability")
    frame = table.frame()
    half = judged(frame[(frame["block"] < 2) | (frame["teacher_aug"] != "cutout")], "6")
    assert "interim: 2 of 5 blocks in the smallest arm" in half.warnings
    dead = (frame["model"] == "lenet") & (frame["teacher_aug"] == "cutmix") & (frame["block"] < 3)
    part, other = judged(with_status(frame, dead, "collapsed"), "6").parts
    assert (part.n_plus, other.n_plus) == (4, 5)
    assert "left out: student lenet of cutmix" in part.warnings


def test_claim_8_pairs_students_with_their_own_teacher_and_averages_over_strategies():
    table = Table().teachers(dict.fromkeys(STRATEGIES, 0.06), metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.02), metric="ece").add("control", "lenet", "labels", 0.02, metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.09), model="alexnet", metric="ece")
    verdict = judged(table, "8")
    assert verdict.outcome == "supported"
    own, control = verdict.parts
    differences = [
        cells(table, "teacher", "resnet18", aug)[:, 0] - cells(table, "student", "lenet", aug).mean(axis=1)
        for aug in STRATEGIES
    ]
    reference = stats.ttest_1samp(np.mean(differences, axis=0), 0)
    assert own.p == pytest.approx(reference.pvalue)
    assert own.ci95 == pytest.approx(tuple(reference.confidence_interval()))
    assert (own.pairs, own.n_plus, control.pairs) == (True, 5, False)
    labels = cells(table, "control", "lenet", "labels").mean(axis=1)
    expected = st.welch_corrected(cells(table, "teacher", "resnet18", "baseline")[:, 0], labels)
    assert control.p == pytest.approx(float(st.p_two_sided(expected)))
    assert verdict.secondary[0].outcome == "contradicted"


def test_claim_8_leaves_out_a_block_that_lacks_one_strategy():
    table = Table().teachers(dict.fromkeys(STRATEGIES, 0.06), metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.02), metric="ece").add("control", "lenet", "labels", 0.02, metric="ece")
    frame = table.frame()
    verdict = judged(frame[~((frame["block"] == 3) & (frame["teacher_aug"] == "mixup"))], "8")
    assert verdict.parts[0].n_plus == 4
    assert "interim: 4 of 5 blocks in the smallest arm" in verdict.warnings


def test_claim_10_pairs_by_student_seed_since_both_arms_have_the_same_teacher():
    table = Table().students(dict.fromkeys(STRATEGIES, 0.65))
    for own in STRATEGIES[1:]:
        for teacher in ("baseline", own):
            table.add("student", "lenet", teacher, 0.648, student_aug=own)
    verdict = judged(table, "10")
    assert verdict.outcome == "supported"
    parts = {part.label: part for part in verdict.parts}
    for label, teacher in (("mixup (baseline teacher)", "baseline"), ("mixup (matching teacher)", "mixup")):
        augmented, plain = (100 * cells(table, "student", "lenet", teacher, own) for own in ("mixup", "baseline"))
        reference = stats.ttest_rel(augmented.mean(axis=1), plain.mean(axis=1))
        assert parts[label].p == pytest.approx(reference.pvalue)
    assert len(verdict.secondary) == 4


def test_claim_11_is_not_paired_since_a_seed_is_all_that_a_student_shares_with_its_control():
    table = Table()
    for model in ("lenet", "alexnet"):
        table.students(dict.fromkeys(STRATEGIES, 0.66), model=model).add("control", model, "labels", 0.63)
    verdict = judged(table, "11")
    assert verdict.outcome == "supported"
    control = 100 * cells(table, "control", "lenet", "labels").mean(axis=1)
    responses = np.vstack([model_of(table, STRATEGIES, "lenet"), control])
    value, se, df = additive(responses, np.array([1, 0, 0, 0, 0, -1]))
    assert verdict.parts[0].p == pytest.approx(2 * stats.t.sf(value / se, df))


def test_claim_5_has_a_margin_that_is_a_share_of_the_baseline():
    means = {aug: (0.30 if aug == "baseline" else 0.31) for aug in STRATEGIES}
    table = Table().teachers(means, metric="discrimination_corrected", sd=0.0005)
    verdict = judged(table, "5")
    assert (verdict.outcome, verdict.negligible) == ("supported", True)
    part = verdict.parts[0]
    base, other = (cells(table, "teacher", "resnet18", aug)[:, 0] for aug in ("baseline", "flip-crop"))
    assert part.margin == pytest.approx(0.05 * base.mean())
    assert part.within == pytest.approx(float(st.p_below(st.welch_corrected(other, 1.05 * base))))


def test_claim_3_is_shown_at_equal_accuracy_in_distribution_too():
    """What is lost out of distribution follows from what is lost in it: decided on the loss, explained beside it."""
    table = Table()
    for model in ("lenet", "alexnet"):
        for aug, mean in CLAIMED.items():
            table.add("student", model, aug, mean, sd=0.006)
    rows = []
    for row in table.rows:
        noise = 0.0005 * table.rng.normal()
        rows.append({**row, "test_set": "cinic10-imagenet-test", "value": 0.7 * row["value"] + noise})
    table.rows += rows
    verdict = judged(table, "3")
    assert verdict.outcome == "supported"
    adjusted = verdict.secondary[0]
    assert adjusted.label == "mixup lenet (at equal accuracy in distribution)"
    assert abs(adjusted.estimate) < 0.2 < 1.5 < verdict.parts[0].estimate
    assert adjusted.outcome in ("open", "excluded beyond the margin")


def test_blocks_without_any_scatter_are_no_evidence():
    verdict = judged(both(CLAIMED, sd=0.0), "2")
    assert verdict.outcome == "open"
    assert verdict.contrast.reason.startswith("the blocks do not differ at all")
    assert verdict.detectable is None


def test_the_images_part_widens_the_interval_where_predictions_are_given():
    """Images on which only one arm fails, in every block alike: blocks agree, other images might not."""
    strategies = ["baseline", "mixup", "cutmix"]
    table = Table(test_set="mnist-test").students({"baseline": 0.988, "mixup": 0.98, "cutmix": 0.98}, sd=0.0003)
    study = meta("4", dataset="mnist", test_set="mnist-test", students=["lenet"], augs=strategies)
    shown = {row["run"]: row for row in table.rows}
    hard = {aug: np.random.default_rng(i).permutation(1000) for i, aug in enumerate(strategies)}
    asked = []

    def predictions(run, test_set):
        asked.append((run, test_set))
        return hard[shown[run]["teacher_aug"]] < 1000 * shown[run]["value"]

    def ask(given):
        return next(v for v in judge(table.frame(), study, CLAIMS, predictions=given) if v.claim.id == "4")

    verdict = ask(predictions)
    part = verdict.parts[0]
    correct = {
        aug: np.array([[predictions(f"student-lenet-{aug}-baseline-{b}-{2 * b + k}", "") for k in (0, 1)]
                       for b in range(BLOCKS)]).mean(axis=1) * 100.0
        for aug in ("baseline", "mixup")
    }  # fmt: skip
    n, difference = 1000, correct["baseline"].mean(axis=0) - correct["mixup"].mean(axis=0)
    noise = 0.0
    for values in correct.values():
        left = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        noise += (left**2).sum() / (BLOCKS - 1) / (n - 1)
    assert part.image_variance == pytest.approx(difference.var(ddof=1) / n - noise / BLOCKS / n)
    assert part.image_variance > 0.1
    low, high = part.ci95_blocks
    assert part.ci95[0] < low < part.estimate < high < part.ci95[1]
    without = ask(lambda *_: None)
    assert without.parts[0].ci95 == without.parts[0].ci95_blocks == pytest.approx((low, high))
    assert "no predictions on mnist-test: intervals hold for these very test images" in without.warnings
