"""Dots by strategy: what is drawn are the cells' block means, their mean, and the paper's value."""

import numpy as np
import pytest

from augdistill.report.figures import style
from augdistill.report.figures.dots import accuracy, calibration_error, describe, dot_panels, draw_dot


def naive(source, role, model, aug, metric):
    rows = source.saved.results.query("role == @role and model == @model and teacher_aug == @aug and metric == @metric")
    return rows[rows.test_set == "cifar10-test"].sort_values("block").value.to_numpy()


def test_a_panel_holds_every_strategy_of_a_model_and_its_control(source):
    panels = dot_panels(source, "accuracy", "cifar10-test", "1")
    assert [panel.title for panel in panels] == ["ResNet18 teacher", "LeNet student", "AlexNet student"]
    teachers, lenets, _ = panels
    assert [name for name, _ in teachers.rows] == source.saved.augs
    assert [name for name, _ in lenets.rows] == [*source.saved.augs, "labels"]
    for name, cell in lenets.rows[:-1]:
        np.testing.assert_allclose(cell.values, naive(source, "student", "lenet", name, "accuracy"))
    assert dict(lenets.rows)["mixup"].published == 0.633  # as Table 1 prints it
    mean = naive(source, "teacher", "resnet18", "cutmix", "accuracy").mean()
    assert f"CutMix {100 * mean:.1f}" in describe(panels[:1], 100, 1)


def test_a_dot_is_the_mean_with_its_blocks_its_spread_and_what_is_printed(source):
    cell = dict(dot_panels(source, "accuracy", "cifar10-test", "1")[0].rows)["baseline"]
    values = naive(source, "teacher", "resnet18", "baseline", "accuracy")
    with style.applied():
        _, (ax,) = style.panels(1, 1)
        draw_dot(ax, -1.0, "baseline", cell, source.palette, 100)
    blocks, *_, mean, printed = (line.get_xdata() for line in ax.lines)
    assert list(blocks) == pytest.approx(100 * values)
    assert list(mean) == pytest.approx([100 * values.mean()])
    assert list(printed) == pytest.approx([85.2])
    (bar,) = ax.collections[0].get_segments()
    assert bar[:, 0] == pytest.approx(100 * (values.mean() + np.array([-1, 1]) * values.std(ddof=1)))


def test_the_two_figures_say_what_their_marks_are(source):
    with style.applied():
        (first,), (sixth,) = accuracy(source), calibration_error(source)
    assert "printed values" in first.caption
    assert sixth.figure.axes[0].get_xlim()[0] == 0
    assert (first.key, sixth.key) == ("figure-1", "figure-6")
