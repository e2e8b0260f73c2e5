"""The main figure: what each strategy of the teacher does to the accuracy of its students."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.results import labels
from augdistill.results.effects import Effect, effects

if TYPE_CHECKING:
    from matplotlib import figure as mpl

WIDTH, WIDEST = 4.4, 50  # inches of a panel, and characters below one


def draw_forest(found: Sequence[Effect], palette: style.Palette, base: str) -> "mpl.Figure":
    """Draw differences with their intervals, a panel per student, strategies from top to bottom."""
    students = list(dict.fromkeys(effect.student for effect in found))
    names = list(dict.fromkeys(effect.strategy for effect in found))
    columns = style.across(2, WIDTH)
    figure, axes = style.panels(len(students), 2, width=WIDTH, height=1.05 + 0.38 * len(names))
    for index, (student, ax) in enumerate(zip(students, axes, strict=True)):
        ax.axvline(0, color=style.INK, lw=1, zorder=1)
        for effect in (effect for effect in found if effect.student == student):
            height, colour = -names.index(effect.strategy), palette.colour(effect.strategy)
            if effect.is_tested:
                ax.plot([effect.low, effect.high], [height, height], color=colour, lw=2.2, solid_capstyle="round")
            ax.plot(effect.value, height, ms=8, zorder=4, **palette.mark(effect.strategy))
        ax.set_title(f"{labels.model(student)} students")
        ax.set_ylim(-len(names) + 0.4, 0.6)
        ax.set_yticks([-i for i in range(len(names))], [labels.strategy(name) for name in names])
        ax.tick_params(axis="y", length=0, labelleft=index % columns == 0)
        ax.grid(False, axis="y")
    spans = [ax.get_xlim() for ax in axes]
    for ax in axes:
        ax.set_xlim(min(-0.3, *(low for low, _ in spans)), max(0.3, *(high for _, high in spans)))
    text = f"accuracy minus that of students of the {labels.strategy(base)} teacher, percentage points"
    figure.supxlabel(textwrap.fill(text, WIDEST * min(columns, len(students)) - 8 * (columns == 1)), fontsize=9)
    return figure


def effect_on_students(context: FigureContext) -> list[Figure] | str:
    """The effect of each strategy on each student."""
    saved = context.saved
    found = effects(saved, context.cells)
    if not found:
        return f"no healthy students of the {labels.strategy(saved.base)} teacher and of another are there yet"
    caption = (
        "Left of the line the students lose. Bars: 95 % intervals over blocks (Welch), each on its own, not adjusted "
        "for their number."
    )
    if not any(effect.is_tested for effect in found):
        caption = "Left of the line the students lose. One block: no interval."
    text = sentence(in_words(effect) for effect in found)
    return [Figure("figure-effect", caption, text, draw_forest(found, context.palette, saved.base))]


def in_words(effect: Effect) -> str:
    """Return an effect as "LeNet of CutMix −1.2 points (95 % −2.0 to −0.4)"."""
    value = labels.number(effect.value, 1, signed=True)
    span = f" (95 % {interval_text(effect)})" if effect.is_tested else ""
    return f"{labels.model(effect.student)} of {labels.strategy(effect.strategy)} {value} points{span}"


def interval_text(effect: Effect) -> str:
    """Return "−2.0 to −0.4"."""
    return f"{labels.number(effect.low, 1, signed=True)} to {labels.number(effect.high, 1, signed=True)}"
