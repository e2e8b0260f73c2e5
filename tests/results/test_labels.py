"""What cells of grids, metrics and numbers are called."""

from augdistill.results import labels


def test_cells_of_a_grid_are_named_in_words():
    named = {
        "": "as configured",
        "distillation.temperature=4,distillation.alpha=0.1": "T = 4, α = 0.1",
        "distillation.transform=class-mean": "teacher’s class means",
        "aug.ops.mixup.labels=hard,aug.ops.cutmix.prob=0.2": "Mixup with hard labels, CutMix with prob 0.2",
        "optim.milestones=[2, 3],optim.lr_factor=2": "optim.milestones = [2, 3], student’s learning rate × 2",
    }
    assert {name: labels.variant(name) for name in named} == named


def test_numbers_have_a_real_minus_sign_and_undefined_ones_a_dash():
    assert labels.number(-0.0416, 3) == "−0.042"
    assert labels.number(0.5, 1, signed=True) == "+0.5"
    assert labels.number(float("nan"), 3) == "–"
