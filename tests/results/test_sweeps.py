"""Sweeps over the numeric values of grids: which points there are, and the best of them."""

from pathlib import Path

import pytest

import saved_studies
from augdistill.results.cells import Cells
from augdistill.results.frame import values_of
from augdistill.results.sweeps import best, number, sweeps

GRIDS = (
    "study.grids=[{distillation.temperature: [1, 4], distillation.alpha: [0.1, 0.9]}, {optim.lr_factor: [0.5]}, "
    "{distillation.transform: [rescale]}]"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    saved = saved_studies.write_study(tmp_path_factory.mktemp("sweeps"), "study=tiny", "study.blocks=2", GRIDS)
    return saved, sweeps(saved, Cells(saved))


def test_a_grid_of_two_keys_is_a_map_with_the_main_arm_in_it(found) -> None:
    _, (two, one) = found
    assert two.keys == ("distillation.temperature", "distillation.alpha")
    assert set(two.points["baseline"]) == {(1, 0.1), (1, 0.9), (4, 0.1), (4, 0.9), (20, 0.5)}
    assert (two.values(0), two.values(1)) == ([1, 4, 20], [0.1, 0.5, 0.9])
    assert one.keys == ("optim.lr_factor",)
    assert set(one.points["cutmix"]) == set(one.points["labels"]) == {(0.5,), (1,)}


def test_a_value_that_is_no_number_makes_no_sweep(found) -> None:
    saved, some = found
    assert "distillation.transform=rescale" in saved.variants
    assert len(some) == 2
    assert [number(value) for value in ("rescale", None, True, "4", 0.5)] == [None, None, None, 4.0, 0.5]


def test_the_best_is_that_of_the_highest_mean(found) -> None:
    saved, some = found
    _, aug, at, cell = best(some)
    rows = saved.results[(saved.results.metric == "accuracy") & (saved.results.test_set == saved.test_set)]
    rows = rows[(rows.role == "student") & (rows.variant != "distillation.transform=rescale")]
    means = rows.groupby(["teacher_aug", "variant"]).value.mean()
    assert cell.mean == pytest.approx(means.max())
    own_aug, variant = means.idxmax()
    assert aug == own_aug
    values = tuple(float(value) for value in values_of(variant).values())
    assert values in ((), at)
    assert best([]) is None


def test_a_sweep_needs_values(tmp_path: Path) -> None:
    saved = saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=1")
    assert sweeps(saved, Cells(saved)) == []
