"""Effects on students against scipy.stats, in the main arm and within a cell of a grid."""

import itertools

import numpy as np
import pytest
from scipy import stats

from augdistill.results.cells import Cells
from augdistill.results.effects import effects


def values(saved, student, aug, variant=""):
    rows = saved.results[saved.results.status == "finished"]
    same = (rows.role == "student") & (rows.model == student) & (rows.teacher_aug == aug) & (rows.variant == variant)
    return 100 * rows[same & (rows.metric == "accuracy") & (rows.test_set == saved.test_set)].value.to_numpy()


def test_effects_are_welchs_with_holm_over_all_that_are_tested(saved):
    """One student of CutMix diverged and one of Mixup collapsed, so that one block is left, and nothing to test."""
    found = effects(saved, Cells(saved))
    assert [(effect.student, effect.strategy) for effect in found] == list(
        itertools.product(["lenet", "alexnet-small"], ["flip-crop", "cutout", "mixup", "cutmix"])
    )
    tested = [effect for effect in found if effect.is_tested]
    assert {(effect.student, effect.strategy, effect.blocks) for effect in found if not effect.is_tested} == {
        ("lenet", "cutmix", 1),
        ("alexnet-small", "mixup", 1),
    }
    for effect in found:
        pair = [values(saved, effect.student, aug) for aug in (effect.strategy, "baseline")]
        assert effect.value == pytest.approx(np.mean(pair[0]) - np.mean(pair[1]))
        if effect.is_tested:
            test = stats.ttest_ind(*pair, equal_var=False)
            low, high = test.confidence_interval()
            assert (effect.p, effect.low, effect.high) == pytest.approx((test.pvalue, low, high))
    smallest = min(tested, key=lambda effect: effect.p)
    assert smallest.p_holm == pytest.approx(min(1, 6 * smallest.p))


def test_effects_within_a_cell_of_a_grid_are_welchs_with_shared_runs_in_their_place(controls):
    own = {"baseline": "", "mixup": "distillation.transform=rescale"}  # the baseline has its own s.d. already
    found = effects(controls, Cells(controls), own["mixup"])
    assert [effect.strategy for effect in found] == ["mixup", "cutmix"]
    pair = [values(controls, "lenet", aug, own[aug]) for aug in ("mixup", "baseline")]
    assert found[0].value == pytest.approx(np.mean(pair[0]) - np.mean(pair[1]))
    assert found[0].p == pytest.approx(stats.ttest_ind(*pair, equal_var=False).pvalue)
