"""What students inherit of their teachers under shift: changes by Welch, and a share where the teachers' is clear."""

import math

import pytest
from scipy import stats

import saved_studies
from augdistill.results.cells import Cells, arm
from augdistill.results.inheritance import Change, Inherited, change, inheritance, questions


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    words = (
        "study=quickstart",
        "study.students=[lenet]",
        "study.corruptions=[made]",
        "study.attacks=[pgd]",
        "study.unknown=[noise]",
    )
    return saved_studies.write_study(tmp_path_factory.mktemp("inherited"), *words)


def test_a_change_is_welchs():
    plus, minus = [0.5, 0.7, 0.6], [0.2, 0.25, 0.4]
    found = change(plus, minus, 100)
    expected = stats.ttest_ind(plus, minus, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(100 * (0.6 - 0.85 / 3))
    assert (found.low, found.high) == pytest.approx((100 * expected.low, 100 * expected.high))
    assert math.isnan(change([], [1.0], 1).value)


def test_each_question_is_asked_of_each_strategy(saved):
    cells = Cells(saved)
    assert questions(saved, cells) == [
        ("accuracy", "digits-test+made-corruptions"),
        ("robust_accuracy", "digits-test+pgd"),
        ("auroc_msp", "digits-test+unknown-noise"),
    ]
    found = inheritance(saved, cells, "accuracy", "digits-test+made-corruptions")
    assert [one.strategy for one in found] == ["flip-crop", "cutout", "mixup", "cutmix"]
    means = {
        strategy: list(cells.blocks(arm("student", "lenet", strategy), "accuracy", found[0].test_set).values())
        for strategy in ("baseline", "mixup")
    }
    gap = sum(means["mixup"]) / 3 - sum(means["baseline"]) / 3
    assert found[2].of_student.value == pytest.approx(100 * gap)


def test_a_share_needs_a_clear_change():
    clear, unclear = Change(2.0, 1.0, 3.0), Change(2.0, -1.0, 5.0)
    assert Inherited("mixup", "lenet", "accuracy", "x", clear, Change(0.5)).share == 0.25
    assert math.isnan(Inherited("mixup", "lenet", "accuracy", "x", unclear, Change(0.5)).share)
    assert math.isnan(Inherited("mixup", "lenet", "accuracy", "x", Change(2.0), Change(0.5)).share)
