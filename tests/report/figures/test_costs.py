"""Accuracy against latency: each network at its latency, a mark for each strategy at its mean."""

import pytest

from augdistill.report.figures import style
from augdistill.report.figures.costs import accuracy_by_latency


def test_marks_stand_at_the_latency_of_their_network_and_the_mean_over_blocks(source):
    with style.applied():
        (figure,) = accuracy_by_latency(source)
    (ax,) = figure.figure.axes
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if len(line.get_xdata()) == 1]
    rows = source.saved.results.query("metric == 'accuracy' and test_set == 'cifar10-test' and student_aug != 'cutmix'")
    for role, model, latency in (("teacher", "resnet18", 20.0), ("student", "lenet", 0.25)):
        of_model = rows[(rows.model == model) & (rows.role == role) & (rows.teacher_aug == "mixup")]
        mean = 100 * of_model.groupby("block").value.mean().mean()
        assert any(x == latency and y == pytest.approx(mean) for x, y in marks)
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["ResNet18 teacher", "LeNet student", "AlexNet student"]
    assert "LeNet student, 0.25 ms: Baseline" in figure.alternative
