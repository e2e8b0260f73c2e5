"""The figures of a factorial study."""

from augdistill.report.figures import FigureContext, make_figures, style
from factor_studies import write_factors


def test_every_factor_has_a_row_and_every_pair_a_panel(tmp_path):
    context = FigureContext.of(write_factors(tmp_path))
    with style.applied():
        (effects,), (pairs,) = (make_figures(name, context) for name in ("Factors", "Interactions"))
    (ax,) = effects.figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["rate", "soft"]
    assert "95 % interval" in effects.alternative
    assert [ax.get_title() for ax in pairs.figure.axes] == ["AB"]
