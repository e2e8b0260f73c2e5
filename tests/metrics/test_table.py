"""The table of metrics: each entry is its function, appears when its needs are met, and says what a report asks."""

import math
from typing import get_args

import numpy as np
import pytest

from augdistill import metrics
from augdistill.metrics import METRICS, Teacher, score
from augdistill.metrics.classification import log_softmax
from augdistill.metrics.entry import Need
from sampled import DISCRIMINATION, HUMAN, draw

ALWAYS = [
    "accuracy",
    "precision",
    "recall",
    "f1",
    "precision_weighted",
    "recall_weighted",
    "f1_weighted",
    "nll",
    "brier",
    "ece",
    "ece_gap",
    "mce",
    "mce_50",
    "ece_scaled",
]
CALIBRATION = ["overconfidence", "ece_15", "adaptive_ece", "adaptive_ece_15", "class_ece", "class_ece_15"]
ALWAYS += [*CALIBRATION, "nll_scaled", "scaling_temperature", *DISCRIMINATION[2], "class_separability", "logit_sd"]
ALWAYS += [f"label_information_{temperature}" for temperature in (1, 2, 4, 10, 20)]
EMBEDDINGS = [*DISCRIMINATION[0], *DISCRIMINATION[1], "dimensions", "dimensions_dropped"]
EXTERNAL = ["nll_clipped", "nll_zeros"]
FIDELITY = ["teacher_agreement", "teacher_kl", "teacher_kl_at_temperature"]
ARRAYS = ["reliability", "scaling_temperatures", "class_accuracy", "confusion", "class_means"]


def test_a_metric_appears_when_its_needs_are_met():
    logits, labels, embeddings, human = draw(0)
    assert set(score(logits, labels).scalars) == set(ALWAYS)
    assert set(score(logits, labels, human=human).scalars) == {*ALWAYS, *HUMAN}
    assert set(score(logits, labels, embeddings=embeddings).scalars) == {*ALWAYS, *EMBEDDINGS}
    assert set(score(logits, labels, external=True).scalars) == {*ALWAYS, *EXTERNAL}
    teacher = Teacher(draw(1)[0], 4.0)
    assert set(score(logits, labels, teacher=teacher).scalars) == {*ALWAYS, *FIDELITY}
    everything = score(logits, labels, embeddings=embeddings, human=human, teacher=teacher, external=True)
    of_draws = [name for name, metric in METRICS.items() if "draws" in metric.needs]  # of training alone
    assert [*everything.scalars, *of_draws] == list(METRICS)
    assert list(everything.arrays) == [*ARRAYS, "human_class_means", "human_kl_matrix"]
    assert all(isinstance(value, float) and math.isfinite(value) for value in everything.scalars.values())


def test_every_line_of_the_table_says_what_a_report_asks():
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)
    for metric in METRICS.values():
        assert metric.label
        assert metric.unit in ("", "share", "nats", "count")
        assert metric.better in ("higher", "lower", None)
        assert "labels" in metric.needs
        assert metric.needs <= set(get_args(Need))
        assert metric.digits >= 0
        assert not metric.percent or metric.unit == "share"
    assert METRICS["accuracy"].better == "higher"
    assert METRICS["ece"].better == "lower"
    assert METRICS["ece_gap"].better is None


def test_scores_are_those_of_the_functions():
    logits, labels, embeddings, human = draw(1)
    validation = draw(2)[:2]
    teacher = Teacher(draw(3)[0], 4.0)
    sources = {"embeddings": embeddings, "human": human, "validation": validation, "teacher": teacher}
    found = score(logits, labels, **sources, external=True)
    logs = log_softmax(logits)
    diagram = metrics.calibration.reliability(logs, labels)
    scaled = metrics.calibration.scale_predictions(logs, labels, validation)
    matrix = metrics.human.kl_matrix(
        metrics.human.class_means(human, labels, 5), metrics.human.class_means(np.exp(logs), labels, 5)
    )
    floor = np.maximum(logs, np.log(1e-12))
    discrimination = {
        c: metrics.latent.class_discrimination(np.exp(logs) if c == "as_published" else embeddings, labels, 5, c)
        for c in ("corrected", "as_printed", "as_published")
    }
    weighted = metrics.classification.precision_recall_f1(logs, labels, weighted=True)
    expected = dict(
        zip(("precision", "recall", "f1"), metrics.classification.precision_recall_f1(logs, labels), strict=True),
        **dict(zip(("precision_weighted", "recall_weighted", "f1_weighted"), weighted, strict=True)),
        accuracy=metrics.classification.accuracy(logs, labels),
        nll=metrics.classification.nll(logs, labels),
        nll_clipped=metrics.classification.nll(floor, labels),
        nll_zeros=0,
        brier=metrics.classification.brier(logs, labels),
        ece=metrics.calibration.ece(diagram),
        ece_gap=metrics.calibration.signed_gap(diagram),
        mce=metrics.calibration.mce(diagram),
        mce_50=metrics.calibration.mce(diagram, 50),
        ece_scaled=metrics.calibration.ece(metrics.calibration.reliability(scaled.log_probabilities, labels)),
        overconfidence=metrics.calibration.overconfidence(diagram),
        ece_15=metrics.calibration.ece(metrics.calibration.reliability(logs, labels, 15)),
        adaptive_ece=metrics.calibration.adaptive_ece(logs, labels, 10),
        adaptive_ece_15=metrics.calibration.adaptive_ece(logs, labels, 15),
        class_ece=metrics.calibration.class_ece(logs, labels, 10),
        class_ece_15=metrics.calibration.class_ece(logs, labels, 15),
        nll_scaled=metrics.classification.nll(scaled.log_probabilities, labels),
        scaling_temperature=scaled.temperature,
        human_ce=metrics.human.cross_entropy(human, logs),
        human_kl=metrics.human.kl(human, logs),
        human_entropy=metrics.human.entropy(human),
        human_ce_scaled=metrics.human.cross_entropy(human, scaled.log_probabilities),
        human_ce_clipped=metrics.human.cross_entropy(human, floor),
        human_zeros=0,
        human_kl_diagonal=np.trace(matrix) / 5,
        human_kl_off_diagonal=(matrix.sum() - np.trace(matrix)) / 20,
        dimensions=12,
        dimensions_dropped=0,
        class_separability=metrics.latent.class_separability(np.exp(logs), labels),
        logit_sd=metrics.teacher.logit_sd(logits),
        **{f"label_information_{t}": metrics.teacher.label_information(logits, t) for t in (1, 2, 4, 10, 20)},
        teacher_agreement=metrics.teacher.agreement(logits, teacher.logits),
        teacher_kl=metrics.teacher.teacher_student_kl(logits, teacher.logits),
        teacher_kl_at_temperature=metrics.teacher.teacher_student_kl(logits, teacher.logits, 4.0),
        **{f"{part}_{c}": getattr(d, part) for c, d in discrimination.items() for part in vars(d)},
    )
    assert found.scaling == "validation"
    assert found.scalars == pytest.approx(expected, abs=1e-12)
    assert found.arrays["confusion"] == metrics.classification.confusion_matrix(logs, labels).tolist()
    assert found.arrays["class_accuracy"] == metrics.classification.per_class_accuracy(logs, labels).tolist()
    assert found.arrays["reliability"]["counts"] == diagram.counts.tolist()
    assert list(found.arrays["reliability"]) == ["edges", "counts", "confidence", "accuracy"]
    assert found.arrays["human_kl_matrix"] == pytest.approx(matrix)
    assert found.arrays["class_means"] == pytest.approx(metrics.human.class_means(np.exp(logs), labels, 5))
    assert found.arrays["human_class_means"] == pytest.approx(metrics.human.class_means(human, labels, 5))
    assert found.arrays["scaling_temperatures"] == pytest.approx([scaled.temperature], rel=1e-12)
