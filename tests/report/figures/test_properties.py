"""Properties of teachers against accuracy, by scipy.stats."""

import numpy as np
import pytest
from scipy import stats

import saved_studies
from augdistill.report.figures.properties import relations


def values(source, role, model, aug, metric="accuracy"):
    rows = source.saved.results
    same = (rows.role == role) & (rows.model == model) & (rows.teacher_aug == aug) & (rows.metric == metric)
    return list(rows[same & (rows.test_set == "cifar10-test")].value)


def test_properties_correlate_means_over_strategies(source):
    found = {(relation.metric, relation.test_set): relation for relation in relations(source, "lenet")}
    calibrated = ["ece", "overconfidence", "adaptive_ece", "class_ece"]
    names = [
        "accuracy",
        *calibrated,
        "discrimination_corrected",
        "class_separability",
        "logit_sd",
        "label_information_20",
    ]
    own = [(name, "cifar10-test") for name in names]
    on_training = [name for name in names if not name.startswith("discrimination")] + ["teacher_stddev"]
    assert list(found) == own + [(name, "distillation") for name in on_training]
    augs = source.saved.augs
    spread = {point.strategy: set(point.x) for point in found["teacher_stddev", "distillation"].points}
    assert spread == {aug: {0.001 * saved_studies.SHARPNESS[aug]} for aug in augs}  # as its students measured it
    x = [np.mean(values(source, "teacher", "resnet18", aug, "ece")) for aug in augs]
    y = [np.mean(values(source, "student", "lenet", aug)) for aug in augs]
    assert found["ece", "cifar10-test"].rho == pytest.approx(stats.spearmanr(x, y).statistic)
