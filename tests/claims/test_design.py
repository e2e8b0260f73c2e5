"""Tests of what is said beside a verdict: blocks not there yet, unequal precision, claims that exclude each other."""

from dataclasses import replace

import pytest

from augdistill.claims.arms import Arm
from augdistill.claims.design import unequal
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


@pytest.mark.parametrize(
    ("plus", "minus", "words"),
    [
        ({"variant": "optim.epochs=30"}, {}, "budget (optim.epochs)"),
        ({"variant": "optim.epochs=30"}, {"variant": "optim.epochs=30"}, ""),
        ({"variant": "distillation.loss=dkd"}, {}, ""),
        ({"student_aug": "flip-crop"}, {}, "augmentation (student_aug)"),
        (
            {"student_aug": "mixup", "variant": "distillation.inputs=both,distillation.loss=dkd"},
            {"variant": "distillation.loss=dkd"},
            "budget (distillation.inputs) and augmentation (student_aug)",
        ),
        ({"variant": "optim.milestones=[300, 360, 420],optim.epochs=480"}, {}, "budget (optim.epochs)"),
    ],
)
def test_arms_of_unequal_budget_or_augmentation_are_said_to_be(plus, minus, words):
    first, second = (Arm("student", "lenet", "baseline", **{"student_aug": "baseline", **a}) for a in (plus, minus))
    assert unequal(first, second) == unequal(second, first) == words


def test_the_verdict_says_so_too():
    frame = both(CLAIMED).students(dict.fromkeys(STRATEGIES, 0.7), student_aug="mixup").frame()
    claim = next(c for c in CLAIMS.claims if c.id == "2")
    group = replace(claim.parts[0], plus=replace(claim.parts[0].plus, student_aug="mixup"))
    changed = replace(CLAIMS, claims=(replace(claim, parts=(group,)),))
    (verdict,) = judge(frame, meta("2"), changed)
    assert "arms of unequal augmentation (student_aug) are compared" in verdict.warnings
