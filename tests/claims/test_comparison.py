"""Tests of any contrast of two arms, against scipy.stats, and of the arms as good as the best."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from augdistill.base.errors import ConfigError
from augdistill.claims.arms import Arm
from augdistill.claims.comparison import compare, not_significantly_below_best, pairing
from claim_tables import BLOCKS, CLAIMED, Table, both


def test_compare_pairs_where_pairing_is_structural():
    student, teacher = Arm("student", "lenet", "mixup", "baseline"), Arm("teacher", "resnet18", "mixup")
    assert pairing(student, replace(student, student_aug="mixup")) == "student-seed"
    assert pairing(student, Arm("control", "lenet", "labels", "baseline")) == "none"
    assert pairing(student, Arm("control", "alexnet", "labels", "baseline")) == "none"
    assert pairing(teacher, student) == "own-teacher"
    assert pairing(teacher, replace(student, teacher_aug="cutmix")) == "none"
    assert pairing(student, replace(student, teacher_aug="cutmix")) == "none"
    assert pairing(teacher, replace(teacher, teacher_aug="cutmix")) == "none"
    assert pairing(student, replace(student, teacher_aug="cutmix"), force=True) == "student-seed"


def test_compare_gives_any_contrast_and_each_class():
    table = Table().students(CLAIMED)
    for name, shift in {"cat": 0.05, "dog": 0.0}.items():
        table.students({"baseline": 0.5 + shift, "mixup": 0.5}, metric=f"class_accuracy[{name}]")
    a, b = {"role": "student", "teacher_aug": "baseline"}, {"role": "student", "teacher_aug": "mixup"}
    found = compare(table.frame(), a, b, "accuracy", "cifar10-test")
    rows = [row for row in table.rows if row["metric"] == "accuracy"]
    means = [
        np.array([row["value"] for row in rows if row["teacher_aug"] == aug]).reshape(BLOCKS, -1).mean(axis=1)
        for aug in ("baseline", "mixup")
    ]
    reference = stats.ttest_ind(*means, equal_var=False)
    assert (found.overall.p, found.overall.pairs) == (pytest.approx(reference.pvalue), False)
    assert [part.label for part in found.classes] == ["cat", "dog"]
    p = [part.p for part in found.classes]
    assert found.p_holm == pytest.approx((2 * p[0], max(2 * p[0], p[1])))
    forced = compare(table.frame(), a, b, "accuracy", "cifar10-test", paired=True)
    assert forced.overall.p == pytest.approx(stats.ttest_rel(*means).pvalue)
    assert compare(table.frame(), a, b, "class_accuracy[cat]", "cifar10-test").classes == ()


def test_compare_of_two_cells_of_a_grid():
    frame = Table().students({"mixup": 0.62}).frame().assign(variant="")
    hot = Table(seed=1).students({"mixup": 0.60}).frame().assign(variant="T=20")
    results = pd.concat([frame, hot.assign(run=hot["run"] + "-hot")])
    found = compare(results, {"variant": ""}, {"variant": "T=20"}, "accuracy", "cifar10-test")
    assert found.overall.estimate == pytest.approx(0.02, abs=0.005)
    assert found.overall.pairs


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ({"rôle": "student"}, "--a: no column 'rôle'; columns are role"),
        ({"model": "vgg"}, "--a: no run has model=vgg; there are alexnet, lenet"),
        ({"teacher_aug": "mixup"}, "--a names more than one arm: model is alexnet, lenet; add model=alexnet"),
    ],
)
def test_compare_refuses_what_is_not_one_arm(a, message):
    with pytest.raises(ConfigError, match=message):
        compare(both(CLAIMED).frame(), a, {"model": "lenet", "teacher_aug": "cutmix"}, "accuracy", "cifar10-test")


def test_compare_says_why_there_is_no_test():
    frame = Table().students(CLAIMED).frame()
    a, b = {"teacher_aug": "baseline"}, {"teacher_aug": "mixup"}
    assert "no f1 on cifar10-test" in compare(frame, a, b, "f1", "cifar10-test").overall.reason
    one = compare(frame[frame["block"] == 0], a, b, "accuracy", "cifar10-test").overall
    assert one.reason.startswith("fewer than 2 blocks (1 and 1)")
    assert one.estimate == pytest.approx(0.03, abs=0.01)


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
