"""What each strategy does to its students in every cell of a study's grids: what the effect is made of."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.figures.forest import interval_text
from augdistill.results import labels
from augdistill.results.effects import Effect, effects

if TYPE_CHECKING:
    from matplotlib import figure as mpl

WIDEST = 28  # characters of a cell's name on one line


def effect_by_cell(context: FigureContext) -> list[Figure] | str:
    """Return, for each student, the effect of each strategy in the main arm and in every cell of the grids."""
    saved = context.saved
    found = {name: effects(saved, context.cells, name) for name in saved.variants}
    drawn = []
    for student in saved.students:
        own = {name: [one for one in some if one.student == student] for name, some in found.items()}
        shown = {labels.variant(name): some for name, some in own.items() if some}
        if shown:
            text = sentence(f"{name}: {', '.join(map(_in_words, some))}" for name, some in shown.items())
            figure = draw_cells(shown, context.palette, saved.base)
            drawn.append(Figure(f"figure-grids-{student}", _caption(shown), text, figure, student))
    return drawn or f"no healthy students of the {labels.strategy(saved.base)} teacher and of another are there yet"


def draw_cells(cells: Mapping[str, Sequence[Effect]], palette: style.Palette, base: str) -> "mpl.Figure":
    """Draw a row per cell with the strategies' differences and intervals, one just below the other."""
    strategies = list(dict.fromkeys(effect.strategy for some in cells.values() for effect in some))
    figure, (ax,) = style.panels(1, 1, width=6.6, height=1.2 + (0.2 + 0.1 * len(strategies)) * len(cells))
    ax.axvline(0, color=style.INK, lw=1, zorder=1)
    for row, some in enumerate(cells.values()):
        if row % 2:
            ax.axhspan(-row - 0.5, -row + 0.5, color=style.GRID, alpha=0.35, lw=0, zorder=0)
        for effect in some:
            place = strategies.index(effect.strategy) - (len(strategies) - 1) / 2
            height, colour = -row - 0.7 * place / len(strategies), palette.colour(effect.strategy)
            if effect.is_tested:
                ax.plot([effect.low, effect.high], [height, height], color=colour, lw=1.4, solid_capstyle="round")
            ax.plot(effect.value, height, ms=4.5, zorder=4, **{**palette.mark(effect.strategy), "mew": 1})
    ax.set_ylim(-len(cells) + 0.5, 0.5)
    widest = WIDEST // 2 if style.NARROW.get() else WIDEST
    ax.set_yticks(
        [-row for row in range(len(cells))],
        [textwrap.fill(name, widest) for name in cells],
    )
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    text = f"accuracy minus that of students of the {labels.strategy(base)} teacher in the same cell, points"
    ax.set_xlabel(textwrap.fill(text, 36) if style.NARROW.get() else text)
    style.strategy_legend(figure, palette, strategies)
    return figure


def _caption(cells: Mapping[str, Sequence[Effect]]) -> str:
    tested = any(effect.is_tested for some in cells.values() for effect in some)
    bars = (
        "Bars: 95 % intervals over blocks (Welch), not adjusted for their number."
        if tested
        else "One block: no interval."
    )
    return f"Where a row’s marks lie on the line, what that cell changes is what the effect is made of. {bars}"


def _in_words(effect: Effect) -> str:
    value = labels.number(effect.value, 1, signed=True)
    span = f" ({interval_text(effect)})" if effect.is_tested else ""
    return f"{labels.strategy(effect.strategy)} {value}{span}"
