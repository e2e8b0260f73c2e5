"""Tests of what is said beside a verdict: blocks not there yet, unequal precision, claims that exclude each other."""

from augdistill.claims.judging import judge
from claim_tables import CLAIMED, CLAIMS, STRATEGIES, Table, both, judged, meta, with_status


def test_a_half_finished_study_is_judged_on_what_is_there_and_says_so():
    frame = both(CLAIMED).frame()
    verdict = judged(with_status(frame, frame["block"] >= 3, "missing"), "2")
    assert "interim: 3 of 5 blocks in the smallest arm" in verdict.warnings
    assert verdict.parts[0].n_plus == 3
    one = judged(with_status(frame, frame["block"] >= 1, "missing"), "2")
    assert one.contrast.reason.startswith("fewer than 2 blocks (1 and 1)")
    assert judged(frame[:0], "2").contrast.reason.startswith("no accuracy on cifar10-test of student lenet")


def test_arms_in_unlike_precision_are_said():
    frame = both(CLAIMED).frame()
    frame.loc[frame["teacher_aug"] == "mixup", "precision"] = "bf16"
    warning = next(text for text in judged(frame, "2").warnings if text.startswith("arms differ in precision"))
    assert "student lenet of mixup bf16" in warning


def test_claims_that_exclude_each_other_say_so_when_both_are_supported():
    means = {**dict.fromkeys(STRATEGIES, 0.030), "mixup": 0.027, "cutmix": 0.027}
    table = Table()
    for model in ("lenet", "alexnet"):
        table.students(means, model=model, metric="ece", sd=0.0002)
    verdicts = {verdict.claim.id: verdict for verdict in judge(table.frame(), meta("7b", "9"), CLAIMS)}
    assert (verdicts["7b"].outcome, verdicts["7b"].negligible, verdicts["9"].outcome) == (
        "supported",
        True,
        "supported",
    )
    assert (
        "claim 9, also supported, excludes it: the difference is real and within the margin" in verdicts["7b"].warnings
    )
