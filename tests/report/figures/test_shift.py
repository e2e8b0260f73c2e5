"""Figures under shift: heat maps with the numbers of the results, lines by radius with their intervals."""

import numpy as np
import pytest
from scipy import stats

import saved_studies
from augdistill.report.console import shift_lines
from augdistill.report.figures import FigureContext, images, make_figures, shift, style


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    words = ("study=quickstart", "study.students=[lenet]", "study.corruptions=[made]", "study.attacks=[pgd]")
    return FigureContext.of(saved_studies.write_study(tmp_path_factory.mktemp("shift"), *words))


def values(context, metric: str, where: str, role: str, aug: str) -> list[float]:
    rows = context.saved.results
    kept = rows[(rows.metric == metric) & (rows.test_set == where) & (rows.role == role) & (rows.teacher_aug == aug)]
    return kept["value"].tolist()


def test_a_heat_map_shows_every_corruption_of_every_model(context):
    with style.applied():
        (drawn,) = (images.freeze_layout(figure) for figure in make_figures("Accuracy under corruptions", context))
    where = "digits-test+made-corruptions"
    grid = shift.grid_of(context, "student", "lenet", where)
    assert grid.strategies == ("baseline", "flip-crop", "cutout", "mixup", "cutmix", "labels")
    fog = 100 * np.mean(values(context, "accuracy[fog]", where, "student", "mixup"))
    assert grid.values[3, 9] == pytest.approx(fog)
    assert grid.clean[3] == pytest.approx(100 * np.mean(values(context, "accuracy", "digits-test", "student", "mixup")))
    panels = [ax for ax in drawn.figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == ["ResNet9 teachers", "LeNet students"]
    shown = [text.get_text() for text in panels[1].texts]
    assert len(shown) == 6 * 16
    assert shown[3 * 16 + 10] == f"{fog:.1f}"
    assert f"LeNet students, Mixup: {np.mean(grid.values[3]):.1f} % over all corruptions" in drawn.alternative


def test_lines_have_the_intervals_of_t(context):
    lines = shift.lines_of(context, "student", "lenet", "digits-test+pgd")
    (mixup,) = (one for one in lines if one.strategy == "mixup")
    assert mixup.radii == (0, 1, 2, 4, 8)
    found = 100 * np.array(values(context, "accuracy[4]", "digits-test+pgd", "student", "mixup"))
    low, high = stats.t.interval(0.95, len(found) - 1, found.mean(), stats.sem(found))
    assert mixup.means[3] == pytest.approx(found.mean())
    assert mixup.halves[3] == pytest.approx((high - low) / 2)
    with style.applied():
        (drawn,) = make_figures("Accuracy under attack", context)
        (reliability,) = make_figures("Reliability under corruptions", context)
    assert len(drawn.figure.axes) == len(reliability.figure.axes) == 2
    assert f"{found.mean():.1f} % at 4" in drawn.alternative
    assert drawn.title == "Accuracy under attack: Digits, PGD"


def test_the_console_has_a_line_for_each_set(context):
    lines = shift_lines(context.saved)
    assert [line.partition(":")[0] for line in lines] == [
        "Digits, made corruptions, Accuracy of students, %",
        "Digits, PGD, Accuracy under attack of students, %",
    ]
    mean = 100 * np.mean(values(context, "accuracy", "digits-test+made-corruptions", "student", "cutmix"))
    assert f"cutmix {mean:.1f}" in lines[0]
