"""Trained models by the values of their configs."""

from augdistill.results.models import column_names, flat


def test_columns_have_short_names_that_are_no_others() -> None:
    config = {"aug": {"ops": {"mixup": {"alpha": 0.2}}}, "distillation": {"alpha": 0.5}, "outputs": "x"}
    assert flat(config) == {"aug": "mixup", "aug.ops.mixup.alpha": 0.2, "distillation.alpha": 0.5}
    assert column_names(["distillation.alpha", "aug.ops.mixup.alpha", "optim.momentum"]) == {
        "distillation.alpha": "alpha",
        "aug.ops.mixup.alpha": "aug.ops.mixup.alpha",
        "optim.momentum": "momentum",
    }
