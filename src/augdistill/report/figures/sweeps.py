"""What students reach over the values of one key of a grid, as lines, or of two, as heat maps."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.results import labels
from augdistill.results.cells import Cell
from augdistill.results.study import LABELS
from augdistill.results.sweeps import Sweep, sweeps
from augdistill.stats.contrasts import interval, paired

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes

WIDE_RANGE = 8  # largest value over smallest from which an axis is logarithmic


def accuracy_over_values(context: FigureContext) -> list[Figure] | str:
    """Return a figure for each student and each grid of one or two numeric keys."""
    found = sweeps(context.saved, context.cells)
    drawn = []
    for number, one in enumerate(found, 1):
        is_line = len(one.keys) == 1
        figure = draw_lines(one, context.palette) if is_line else draw_maps(one)
        what = " and ".join(labels.key(key) for key in one.keys)
        caption = f"{labels.model(one.student)} students over {what}, on {labels.test_set(context.saved.test_set)}. "
        caption += line_caption(one) if is_line else "Means over blocks, all maps on one colour scale."
        drawn.append(Figure(f"figure-sweep-{number}", caption, described(one), figure, one.student))
    return drawn or "no grid has two values of a number"


def line_caption(found: Sweep) -> str:
    """Return what the marks of lines are."""
    several = any(cell.n > 1 for points in found.points.values() for cell in points.values())
    return "Bars: 95 % intervals over blocks (t)." if several else "One block: no interval."


def described(found: Sweep) -> str:
    """Return every mean in words."""
    told = []
    for aug, points in found.points.items():
        means = (f"{labels.number(100 * cell.mean, 1)} at {at_text(found, at)}" for at, cell in sorted(points.items()))
        told.append(f"{labels.strategy(aug)}: {', '.join(means)}")
    return sentence(told)


def at_text(found: Sweep, at: tuple[float, ...]) -> str:
    """Return a place as "T = 4, α = 0.5"."""
    return ", ".join(labels.variant(f"{key}={value:g}") for key, value in zip(found.keys, at, strict=True))


def is_wide(values: list[float]) -> bool:
    """Return whether values want a logarithmic axis."""
    return values[0] > 0 and values[-1] / values[0] >= WIDE_RANGE


def draw_lines(found: Sweep, palette: style.Palette) -> "mpl.Figure":
    """Draw a line per strategy over the values of a key; a control that does not depend on it as a level."""
    figure, (ax,) = style.panels(1, 1, width=6.0, height=3.6)
    for aug, points in found.points.items():
        look: dict[str, Any] = {"color": palette.colour(aug), "ls": palette.line(aug)}
        if aug == LABELS and len(points) == 1:
            ax.axhline(100 * next(iter(points.values())).mean, lw=1.2, **look)
            continue
        places = sorted(points)
        means = [100 * points[at].mean for at in places]
        bars = [100 * half_width(points[at]) for at in places]
        ax.errorbar([at[0] for at in places], means, yerr=bars, capsize=2.5, elinewidth=1.2, **look)
        for at, mean in zip(places, means, strict=True):
            ax.plot(at[0], mean, ms=5.5, zorder=4, **palette.mark(aug))
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, 0), min(high, 100))  # what an interval says beyond is no accuracy
    values = found.values(0)
    if is_wide(values):
        ax.set_xscale("log")
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.minorticks_off()
    ax.set_xlabel(labels.key(found.keys[0]))
    ax.set_ylabel("accuracy, %")
    style.strategy_legend(figure, palette, list(found.points), lines=True)
    return figure


def half_width(cell: Cell) -> float:
    """Return half of the 95 % interval of a cell's mean over blocks, 0 where it has one block."""
    if cell.n < 2:
        return 0.0
    low, high = interval(paired(cell.values, np.zeros(cell.n)))
    return float(high - low) / 2


def draw_maps(found: Sweep) -> "mpl.Figure":
    """Draw a heat map per strategy: the first key from left to right, the second from bottom to top."""
    across, down = found.values(0), found.values(1)
    shown = {aug: points for aug, points in found.points.items() if aug != LABELS or len(points) > 1}
    columns = min(3, len(shown))
    width, height = max(2.4, 0.7 + 0.55 * len(across)), max(2.0, 1.0 + 0.42 * len(down))
    figure, axes = style.panels(len(shown), columns, width=width, height=height)
    means = [100 * cell.mean for points in shown.values() for cell in points.values()]
    low, high = min(means), max(means)
    mesh = None
    for ax, (aug, points) in zip(axes, shown.items(), strict=True):
        values = np.full((len(down), len(across)), math.nan)
        for (x, y), cell in points.items():
            values[down.index(y), across.index(x)] = 100 * cell.mean
        mesh = ax.pcolormesh(np.ma.masked_invalid(values), cmap=style.SEQUENTIAL, vmin=low, vmax=high, ec="none")
        write_means(ax, values, (low + high) / 2)
        ax.set_xticks(np.arange(len(across)) + 0.5, [f"{value:g}" for value in across])
        ax.set_yticks(np.arange(len(down)) + 0.5, [f"{value:g}" for value in down])
        ax.tick_params(length=0)
        ax.grid(False)
        ax.set_title(labels.strategy(aug))
        ax.set_xlabel(labels.key(found.keys[0]))
        ax.set_ylabel(labels.key(found.keys[1]))
    assert mesh is not None
    bar = figure.colorbar(mesh, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("accuracy, %")
    bar.outline.set_visible(False)
    return figure


def write_means(ax: "Axes", values: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", middle: float) -> None:
    """Write each mean in its field, dark on light and light on dark."""
    for i, j in zip(*np.nonzero(~np.isnan(values)), strict=True):
        shade = "#000000" if values[i, j] > middle else "#ffffff"
        ax.text(j + 0.5, i + 0.5, f"{values[i, j]:.1f}", ha="center", va="center", fontsize=8, color=shade)
