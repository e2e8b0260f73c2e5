"""Dots by strategy, a panel per model: accuracy (Figure 1) and calibration error (Figure 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.needs import NEEDS
from augdistill.results import labels
from augdistill.results.cells import Cell, arm
from augdistill.results.study import LABELS

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes

BARS = "Large marks: mean over blocks, bars ± 1 s.d.; small dots: single blocks."
WIDTH = 3.4  # inches of a panel
PRINTED = "Hollow diamonds: the paper’s printed values, one run each."


@dataclass(frozen=True)
class DotPanel:
    """One model: (strategy, cell) from top to bottom."""

    title: str
    rows: tuple[tuple[str, Cell], ...]


def dot_panels(context: FigureContext, metric: str, test_set: str, table: str = "") -> list[DotPanel]:
    """Return the panels of all models that have any value of a metric on a test set."""
    panels = []
    for role, model in context.saved.models:
        rows = []
        for aug in (*context.saved.augs, LABELS):
            cell = context.cells.get(arm(role, model, aug), metric, test_set, table)
            if cell is not None and cell.n:
                rows.append((aug, cell))
        if rows:
            panels.append(DotPanel(f"{labels.model(model)} {role}", tuple(rows)))
    return panels


def draw_dots(
    panels: Sequence[DotPanel], palette: style.Palette, unit: str, scale: float, *, from_zero: bool = False
) -> "mpl.Figure":
    """Draw the panels side by side, strategies from top to bottom at the same heights in all."""
    names = list(dict.fromkeys(name for panel in panels for name, _ in panel.rows))
    figure, axes = style.panels(len(panels), 3, width=WIDTH, height=max(1.7, 0.9 + 0.36 * len(names)))
    heights = {name: -index for index, name in enumerate(names)}
    for index, (panel, ax) in enumerate(zip(panels, axes, strict=True)):
        for name, cell in panel.rows:
            draw_dot(ax, heights[name], name, cell, palette, scale)
        ax.set_title(panel.title)
        ax.set_xlabel(unit)
        ax.grid(False, axis="y")
        ax.set_ylim(-len(names) + 0.4, 0.6)
        ax.set_yticks(list(heights.values()), [labels.strategy(name) for name in names])
        ax.tick_params(axis="y", length=0, labelleft=index % style.across(3, WIDTH) == 0)
        ax.locator_params(axis="x", nbins=5)
        ax.margins(x=0.08)
        if from_zero:
            ax.set_xlim(left=0)
    return figure


def draw_dot(ax: "Axes", height: float, name: str, cell: Cell, palette: style.Palette, scale: float) -> None:
    """Draw one strategy: its blocks, their mean and s.d., and what the paper prints."""
    colour = palette.colour(name)
    blocks = [scale * value for value in cell.values]
    if cell.n > 1:
        ax.plot(blocks, [height] * cell.n, "o", ms=3, color=colour, alpha=0.45, mew=0, zorder=2)
        ax.errorbar(scale * cell.mean, height, xerr=scale * cell.sd, color=colour, elinewidth=1.6, capsize=3, zorder=3)
    mark = palette.mark(name)
    ax.plot(scale * cell.mean, height, ms=7, zorder=4, **mark)
    if cell.published == cell.published:
        ax.plot(scale * cell.published, height, "d", ms=7, mfc="none", mec=style.INK, mew=1.1, zorder=5)


def describe(panels: Sequence[DotPanel], scale: float, places: int) -> str:
    """Return the means of all panels in words."""
    return sentence(
        f"{panel.title}: "
        + ", ".join(f"{labels.strategy(name)} {labels.number(scale * cell.mean, places)}" for name, cell in panel.rows)
        for panel in panels
    )


def has_print(panels: Sequence[DotPanel]) -> bool:
    return any(cell.published == cell.published for panel in panels for _, cell in panel.rows)


def accuracy(context: FigureContext) -> list[Figure] | str:
    """Figure 1: accuracy of teachers and students by the teacher's augmentation."""
    where = context.saved.test_set
    panels = dot_panels(context, "accuracy", where, "1")
    if not panels:
        return NEEDS["evaluations"][1]
    caption = " ".join([BARS, "Scales differ between panels.", *([PRINTED] if has_print(panels) else [])])
    text = f"Accuracy in percent on {labels.test_set(where)}. {describe(panels, 100, 1)}"
    figure = draw_dots(panels, context.palette, "accuracy, %", 100)
    return [Figure("figure-1", caption, text, figure)]


def calibration_error(context: FigureContext) -> list[Figure] | str:
    """Figure 6: ECE by model and strategy."""
    where = context.saved.test_set
    panels = dot_panels(context, "ece", where, "F6")
    if not panels:
        return NEEDS["evaluations"][1]
    printed = "Hollow diamonds: from the authors’ public notebook." if has_print(panels) else ""
    caption = f"10 equal-width bins of confidence; lower is better. {BARS} {printed}".strip()
    text = f"Expected calibration error on {labels.test_set(where)}. {describe(panels, 1, 3)}"
    figure = draw_dots(panels, context.palette, "ECE", 1, from_zero=True)
    return [Figure("figure-6", caption, text, figure)]
