"""The main figure names its axis within its own bounds."""

import pytest

from augdistill.report.figures import style
from augdistill.report.figures.forest import draw_forest
from augdistill.results.effects import effects


@pytest.mark.parametrize("students", [1, 2])
def test_the_axis_of_the_effects_is_named_within_the_figure(students, source):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    kept = [found for found in effects(source.saved, source.cells) if found.student in ["lenet", "alexnet"][:students]]
    with style.applied():
        figure = draw_forest(kept, source.palette, "flip-crop+cutmix")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    (text,) = [text for text in figure.texts if text.get_text().startswith("accuracy minus")]
    box = text.get_window_extent(canvas.get_renderer())
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.y0 >= 0
