"""The effects in every cell of a study's grids: a figure for each student, a row for each cell."""

import pytest

import saved_studies
from augdistill.report.figures import FigureContext, images, make_figures, style
from augdistill.results import labels
from augdistill.results.effects import effects


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    return FigureContext.of(saved_studies.write_controls(tmp_path_factory.mktemp("grids")))


def test_every_cell_has_its_row_and_its_effects_in_words(context):
    with style.applied():
        (drawn,) = (images.freeze_layout(figure) for figure in make_figures("Effect by cell", context))
    assert drawn.key == "figure-grids-lenet"
    (ax,) = drawn.figure.axes
    rows = [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]
    assert rows == [labels.variant(name) for name in context.saved.variants]
    assert len(rows) == 7
    for name in ("", "distillation.transform=rescale", "aug.ops.mixup.labels=hard"):
        value = labels.number(effects(context.saved, context.cells, name)[0].value, 1, signed=True)
        assert f"{labels.variant(name)}: Mixup {value} (" in drawn.alternative
