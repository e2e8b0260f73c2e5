"""Cells of tables: block means, what is lost and printed, and marks against scipy.stats."""

import numpy as np
import pytest
from scipy import stats

from augdistill.results.cells import Cell, Cells, Printed, arm, mark_best


def cells_of(*values, metric="accuracy"):
    return {index: Cell(metric, "cifar10-test", tuple(found)) for index, found in enumerate(values)}


def marks(cells):
    return ["best" if cell.best else "below" if cell.below else "" for cell in mark_best(cells).values()]


def test_the_best_mean_is_marked_and_what_is_significantly_below_it():
    near, best, far = [0.80, 0.82, 0.78], [0.81, 0.83, 0.80], [0.60, 0.61, 0.62]
    assert stats.ttest_ind(best, far, equal_var=False, alternative="greater").pvalue * 2 < 0.05
    assert stats.ttest_ind(best, near, equal_var=False, alternative="greater").pvalue > 0.05
    assert marks(cells_of(near, best, far)) == ["", "best", "below"]
    assert marks(cells_of(near, best, far, metric="ece")) == ["below", "below", "best"]
    assert marks(cells_of(near, best, far, metric="class_separability")) == ["", "", ""]
    assert marks(cells_of([0.8], [0.9])) == ["", "best"]
    assert marks(cells_of([0.8])) == [""]


def test_a_cell_has_the_block_means_of_its_runs_and_says_what_is_lost(saved):
    cells, rows = Cells(saved), saved.results
    whole = cells.get(arm("student", "lenet", "mixup"), "accuracy", "digits-test")
    own = rows.query("role == 'student' and model == 'lenet' and teacher_aug == 'mixup' and metric == 'accuracy'")
    own = own[own.test_set == "digits-test"]
    assert whole.values == pytest.approx(own.sort_values("block").value)
    assert (whole.n, whole.mean, whole.sd) == (2, pytest.approx(own.value.mean()), pytest.approx(own.value.std()))
    assert whole.lost == ""
    lost = {
        arm("student", "lenet", "cutmix"): "diverged 1/2",
        arm("student", "alexnet-small", "mixup"): "collapsed 1/2",
        arm("control", "lenet", "labels"): "missing 1/2",
    }
    found = {one: cells.get(one, "accuracy", "digits-test") for one in lost}
    assert {one: cell.lost for one, cell in found.items()} == lost
    assert all(cell.n == 1 and np.isnan(cell.sd) for cell in found.values())
    assert cells.get(arm("student", "resnet18", "mixup"), "accuracy", "digits-test") is None
    assert cells.has("accuracy", "digits-test", "teacher")
    assert not cells.has("human_ce", "digits-test")


def test_a_cell_of_a_grid_that_shares_runs_is_the_main_arms(controls):
    cells = Cells(controls)
    variant = "distillation.transform=rescale"
    own, shared = (arm("student", "lenet", "baseline", variant=name) for name in ("", variant))
    main = cells.get(own, "ece", "digits-test")
    assert cells.get(shared, "ece", "digits-test") == main
    assert cells.blocks(shared, "ece", "digits-test") == dict(enumerate(main.values))


def test_printed_values_stand_beside_main_arms_alone():
    printed = Printed()
    baseline = arm("teacher", "resnet18", "baseline")
    assert printed.get("1", baseline, "accuracy", "cifar10-test") == (0.852, "")
    assert np.isnan(printed.get("1", (*baseline[:4], "optim.lr=1"), "accuracy", "cifar10-test")[0])
    assert np.isnan(printed.get("9", baseline, "accuracy", "cifar10-test")[0])
    cell = Cell("accuracy", "cifar10-test", (0.84, 0.86), published=0.852)
    assert cell.difference == pytest.approx(-0.002)


def test_accuracies_are_shown_in_percent_and_what_is_no_share_of_images_in_its_own_unit():
    accuracy, nats = Cell("accuracy", "cifar10-test", (0.84, 0.86)), Cell("nll", "cifar10-test", (0.84, 0.86))
    assert (accuracy.shown(accuracy.mean), nats.shown(nats.mean)) == ("85.0", "0.850")
    assert Cell("f1", "mnist-test", (0.98866,)).shown(-0.0012, signed=True) == "−0.12"
