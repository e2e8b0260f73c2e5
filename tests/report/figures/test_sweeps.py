"""Accuracy over the values of a grid: a line per strategy over one key, a map per strategy over two."""

import numpy as np
import pytest
from scipy import stats

import saved_studies
from augdistill.report.figures import FigureContext, images, make_figures, style
from augdistill.report.page.headline import BEST_QUESTION, headline, question
from augdistill.results import labels
from augdistill.results.cells import Cells
from augdistill.results.loose import load_loose

GRIDS = "study.grids=[{distillation.temperature: [1, 4]}, {optim.lr: [0.01, 0.1], distillation.alpha: [0.1, 0.9]}]"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    saved = saved_studies.write_study(tmp_path_factory.mktemp("sweeps"), "study=tiny", "study.blocks=2", GRIDS)
    with style.applied():
        made = make_figures("Accuracy over values", FigureContext.of(saved))
        return saved, [images.freeze_layout(figure) for figure in made]


def values(saved, aug, variant):
    rows = saved.results[(saved.results.metric == "accuracy") & (saved.results.test_set == saved.test_set)]
    rows = rows[(rows.role == "student") & (rows.teacher_aug == aug) & (rows.variant == variant)]
    return 100 * rows.sort_values("block").value.to_numpy(dtype=float)


def test_a_line_has_means_and_the_t_intervals_of_scipy(drawn):
    saved, (line, _) = drawn
    (ax,) = line.figure.axes
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "4", "20"]
    variants = [f"distillation.temperature={value}" for value in (1, 4)] + [""]
    assert len(ax.containers) == 3  # the control too, which learns at no temperature: the same at each
    for container, aug in zip(ax.containers, saved.augs, strict=False):
        (marks, _, (bars,)) = container
        means = [values(saved, aug, name).mean() for name in variants]
        np.testing.assert_allclose(np.asarray(marks.get_ydata(), dtype=float), means)
        for name, segment in zip(variants, bars.get_segments(), strict=True):
            own = values(saved, aug, name)
            expected = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
            np.testing.assert_allclose(sorted(segment[:, 1]), expected)
    assert f"{labels.number(values(saved, 'cutmix', variants[1]).mean(), 1)} at T = 4" in line.alternative


def test_a_map_writes_each_mean_into_its_field(drawn):
    saved, (_, two) = drawn
    first = two.figure.axes[0]
    assert first.get_title() == "Baseline"
    written = {tuple(text.get_position()): text.get_text() for text in first.texts}
    assert len(written) == 5  # four cells and the main arm
    mean = values(saved, "baseline", "optim.lr=0.1,distillation.alpha=0.9").mean()
    assert written[2.5, 2.5] == f"{mean:.1f}"  # the largest rate, the largest alpha
    assert first.get_xlabel() == "student’s learning rate"
    assert "one colour scale" in two.caption


def test_the_page_of_runs_that_no_study_planned_asks_for_the_best_value(drawn):
    saved, _ = drawn
    assert question([load_loose(["T=4"], saved.store.outputs)]) != BEST_QUESTION  # nothing varies
    loose = load_loose(["student=lenet", "lr=0.1"], saved.store.outputs)
    assert question([loose]) == BEST_QUESTION
    told = headline(loose, Cells(loose), [])
    assert "students of the" in told.answer
    assert "looks better than it is" in told.sentences[0]
