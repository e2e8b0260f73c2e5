"""Figures under shift: strategies by corruptions, accuracy by radius, reliability under corruptions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np

from augdistill.base.arrays import Floats
from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.figures.reliability import Curve, curve, draw_reliability
from augdistill.results import labels
from augdistill.results.cells import arm
from augdistill.results.study import LABELS
from augdistill.shift import CORRUPTIONS
from augdistill.shift import LABELS as CALLED

if TYPE_CHECKING:
    from matplotlib import figure as mpl

NONE = "no run was evaluated under corruptions yet"


@dataclass(frozen=True)
class Grid:
    """Accuracy in percent of a model, [strategies, corruptions], and what it is on the images as they are."""

    title: str
    strategies: tuple[str, ...]
    values: Floats
    clean: Floats


@dataclass(frozen=True)
class Line:
    """Mean accuracy in percent over blocks by radius, and half of its 95 % interval, NaN without two blocks."""

    strategy: str
    radii: tuple[float, ...]
    means: Floats
    halves: Floats


def corrupted_sets(context: FigureContext) -> list[str]:
    """Return the sets of corrupted images that some run was evaluated on."""
    return [where for where in context.saved.shift_sets if context.cells.has("accuracy", where)]


def accuracy_by_corruption(context: FigureContext) -> list[Figure] | str:
    """Return a heat map of strategies and corruptions for the teachers and each kind of student."""
    drawn = []
    for where in corrupted_sets(context):
        grids = [grid for role, model in context.saved.models if (grid := grid_of(context, role, model, where))]
        if not grids:
            continue
        caption = (
            "Accuracy in percent, mean over severities, students of a teacher and blocks; first column: images as they "
            "are. Colour: difference from the first row, in points."
        )
        text = sentence(
            f"{grid.title}, {labels.strategy(name)}: {mean:.1f} % over all corruptions, {clean:.1f} % without"
            for grid in grids
            for name, mean, clean in zip(grid.strategies, np.nanmean(grid.values, axis=1), grid.clean, strict=True)
        )
        drawn.append(
            Figure(f"figure-shift-{where.rpartition('+')[2]}", caption, text, draw_grids(grids), test_set=where)
        )
    return drawn or NONE


def grid_of(context: FigureContext, role: str, model: str, where: str) -> Grid | None:
    """Return the accuracies of one model under the 15 corruptions, None without a run; the base stands first."""
    saved, cells = context.saved, context.cells
    names = [saved.base, *(name for name in saved.augs if name != saved.base)]
    names += [LABELS] if role == "student" else []

    def mean(strategy: str, metric: str, images: str) -> float:
        values = list(cells.blocks(arm(role, model, strategy), metric, images).values())
        return 100 * fmean(values) if values else math.nan

    rows = {name: [mean(name, f"accuracy[{which}]", where) for which in CORRUPTIONS] for name in names}
    there = tuple(name for name, values in rows.items() if not all(math.isnan(value) for value in values))
    if not there:
        return None
    clean = np.array([mean(name, "accuracy", saved.test_set) for name in there])
    return Grid(f"{labels.model(model)} {role}s", there, np.array([rows[name] for name in there]), clean)


def draw_grids(grids: Sequence[Grid]) -> "mpl.Figure":
    """Draw a heat map below the other, numbers in the cells, coloured by the difference from the first row."""
    from matplotlib.colors import TwoSlopeNorm

    rows = max(len(grid.strategies) for grid in grids)
    figure, axes = style.panels(len(grids), 1, width=9.6, height=0.75 + 0.3 * rows)
    wholes = [np.column_stack([grid.clean, grid.values]) for grid in grids]
    changes = [whole - whole[0] for whole in wholes]
    widest = max(float(np.nanmax(np.abs(change))) for change in changes) or 1.0
    heads = ["As it is", *(CALLED[name] for name in CORRUPTIONS)]
    small = style.NARROW.get()
    mesh = None
    for index, (grid, whole, change, ax) in enumerate(zip(grids, wholes, changes, axes, strict=True)):
        scale = TwoSlopeNorm(0, -widest, widest)
        mesh = ax.pcolormesh(np.ma.masked_invalid(change), cmap="PuOr", norm=scale, ec="white", lw=0.6)
        ax.invert_yaxis()
        style.without_frame(ax)
        ax.set_yticks(np.arange(len(grid.strategies)) + 0.5, [labels.strategy(name) for name in grid.strategies])
        last = index == len(grids) - 1 or small
        centres = np.arange(len(heads)) + 0.5
        ax.set_xticks(centres, heads if last else [""] * len(heads), rotation=45, ha="right", rotation_mode="anchor")
        ax.tick_params(length=0, labelsize=5.5 if small else 8.5)
        ax.set_title(grid.title, loc="left")
        for (i, j), value in np.ndenumerate(whole):
            if not math.isnan(value):
                dark = abs(change[i, j]) > 0.6 * widest
                shade = "#ffffff" if dark else "#000000"
                number = f"{value:.0f}" if small else f"{value:.1f}"
                ax.text(j + 0.5, i + 0.5, number, ha="center", va="center", fontsize=4.5 if small else 7.5, color=shade)
    assert mesh is not None
    where = {"orientation": "horizontal", "shrink": 0.8} if small else {"shrink": 0.6, "aspect": 30}
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, **where)
    bar.set_label("points above the first row")
    bar.outline.set_visible(False)
    return figure


def accuracy_by_radius(context: FigureContext) -> list[Figure] | str:
    """Return, for each attack, accuracy against the radius, a panel for each model."""
    drawn = []
    for where in context.saved.shift_sets:
        panels = [
            (f"{labels.model(model)} {role}s", found)
            for role, model in context.saved.models
            if (found := lines_of(context, role, model, where))
        ]
        if not panels:
            continue
        caption = (
            "Accuracy in percent by the radius of the attack, of 255. Bars: 95 % intervals of the mean over blocks "
            "(t), not adjusted for their number."
        )
        text = sentence(
            f"{title}, {labels.strategy(one.strategy)}: "
            + ", ".join(f"{mean:.1f} % at {radius:g}" for radius, mean in zip(one.radii, one.means, strict=True))
            for title, found in panels
            for one in found
        )
        figure = draw_lines(panels, context.palette)
        drawn.append(Figure(f"figure-shift-{where.rpartition('+')[2]}", caption, text, figure, test_set=where))
    return drawn or "no run was attacked yet"


def lines_of(context: FigureContext, role: str, model: str, where: str) -> list[Line]:
    """Return a line for each strategy of a model that was attacked."""
    from scipy import stats

    saved, found = context.saved, []
    for strategy in (*saved.augs, *([LABELS] if role == "student" else [])):
        kind = "control" if strategy == LABELS else role
        arrays = [saved.shift_arrays(place, where) or {} for place in saved.plain(kind, model, strategy)]
        radii = tuple(dict.fromkeys(radius for one in arrays for radius in one.get("radii", ())))
        by_radius = [
            list(context.cells.blocks(arm(role, model, strategy), f"accuracy[{radius:g}]", where).values())
            for radius in radii
        ]
        if radii and all(by_radius):
            halves = [
                stats.t.ppf(0.975, len(some) - 1) * stdev(some) / len(some) ** 0.5 if len(some) > 1 else math.nan
                for some in by_radius
            ]
            means = np.array([fmean(some) for some in by_radius])
            found.append(Line(strategy, radii, 100 * means, 100 * np.array(halves)))
    return found


def draw_lines(panels: Sequence[tuple[str, list[Line]]], palette: style.Palette) -> "mpl.Figure":
    """Draw a panel per model, radii at equal steps, strategies a little apart so that bars can be told apart."""
    figure, axes = style.panels(len(panels), 3, width=3.4, height=3.0)
    for (title, found), ax in zip(panels, axes, strict=True):
        for index, one in enumerate(found):
            places = np.arange(len(one.radii)) + 0.05 * (index - (len(found) - 1) / 2)
            ax.errorbar(places, one.means, yerr=np.nan_to_num(one.halves), **palette.curve(one.strategy))
        radii = found[0].radii
        ax.set_xticks(range(len(radii)), [f"{radius:g}" for radius in radii])
        ax.set_ylim(0, min(ax.get_ylim()[1], 103))  # what an interval says beyond 100 is no accuracy
        ax.set_title(title)
        ax.set_xlabel("radius, of 255")
    for ax in axes if style.NARROW.get() else axes[:1]:
        ax.set_ylabel("accuracy, %")
    style.strategy_legend(figure, palette, list(dict.fromkeys(one.strategy for _, found in panels for one in found)))
    return figure


def reliability_under_corruptions(context: FigureContext) -> list[Figure] | str:
    """Return accuracy against confidence over all corrupted images, as Figure 3 has it for the images as they are."""
    drawn = []
    for where in corrupted_sets(context):
        models = context.saved.models
        found = [(f"{labels.model(model)} {role}s", curves(context, role, model, where)) for role, model in models]
        panels = [(title, members) for title, members in found if members]
        if panels:
            caption = (
                "All corruptions and severities together: below the dashed diagonal a model is over-confident. Points: "
                "mean over blocks, bars ± 1 s.d."
            )
            text = sentence(
                f"{title}, {labels.strategy(one.strategy)}: accuracy minus confidence "
                + " ".join(labels.number(gap, 2, signed=True) for gap in one.accuracy - one.confidence)
                for title, members in panels
                for one in members
            )
            figure = draw_reliability(panels, context.palette)
            drawn.append(
                Figure(f"figure-shift-reliability-{where.rpartition('+')[2]}", caption, text, figure, test_set=where)
            )
    return drawn or NONE


def curves(context: FigureContext, role: str, model: str, where: str) -> list[Curve]:
    """Return a reliability curve for each strategy of a model, over all corrupted images."""
    saved, found = context.saved, []
    for strategy in (*saved.augs, *([LABELS] if role == "student" else [])):
        places = saved.plain("control" if strategy == LABELS else role, model, strategy)
        arrays = ((place.block, saved.shift_arrays(place, where)) for place in places)
        one = curve(strategy, [(block, content["reliability"]) for block, content in arrays if content])
        if one is not None and len(one.confidence):
            found.append(one)
    return found
