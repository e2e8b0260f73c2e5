"""Student accuracy against what its teacher is: one panel per property, with the rank correlation over strategies."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np

from augdistill.metrics import standing_in
from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.tables.more import teacher_properties
from augdistill.results import labels
from augdistill.results.cells import arm
from augdistill.results.frame import DISTILLATION
from augdistill.stats.ranks import spearman

if TYPE_CHECKING:
    from matplotlib import figure as mpl


FEWEST = 3  # strategies that a rank correlation can order


@dataclass(frozen=True)
class Point:
    """One strategy: block means of the teacher's property and of the students' accuracy."""

    strategy: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Relation:
    """One panel: a property on a test set against accuracy, with Spearman's rho over the strategies' means."""

    metric: str
    test_set: str
    points: tuple[Point, ...]
    rho: float


def relations(context: FigureContext, student: str) -> list[Relation]:
    """Return every property of the teachers that is measured, against the accuracy of one student.

    What a teacher's words are while a student learns is measured by that student.
    """
    saved, cells = context.saved, context.cells
    found = []
    asked = [("teacher", *one) for one in teacher_properties(saved, cells, "figure-properties")]
    names = standing_in("figure-properties")
    asked += [("student", name, DISTILLATION) for name in names if cells.has(name, DISTILLATION, "student")]
    for role, metric, where in asked:
        points = []
        for aug in saved.augs:
            x = cells.blocks(arm(role, student if role == "student" else saved.teacher, aug), metric, where)
            y = cells.blocks(arm("student", student, aug), "accuracy", saved.test_set)
            if x and y:
                points.append(Point(aug, tuple(x.values()), tuple(y.values())))
        if len(points) >= FEWEST:
            found.append(Relation(metric, where, tuple(points), _rho(points)))
    return found


def _rho(points: Sequence[Point]) -> float:
    """Spearman's rho of the strategies' means, NaN below three of them."""
    x, y = ([fmean(values) for values in axis] for axis in zip(*((p.x, p.y) for p in points), strict=True))
    return spearman(x, y, rng=np.random.default_rng(0)).rho


def draw_relations(found: Sequence[Relation], palette: style.Palette, student: str) -> "mpl.Figure":
    """Draw a panel per property, on the test set first, then on the distillation set."""
    figure, axes = style.panels(len(found), 3, width=3.2, height=2.3)
    for relation, ax in zip(found, axes, strict=True):
        scale, unit = (100, ", %") if labels.entry(relation.metric).percent else (1, "")
        for point in relation.points:
            name = point.strategy
            ax.errorbar(
                scale * fmean(point.x),
                100 * fmean(point.y),
                xerr=scale * _sd(point.x),
                yerr=100 * _sd(point.y),
                fmt=palette.marker(name),
                color=palette.colour(name),
                mfc=palette.fill(name),
                ms=6.5,
                elinewidth=1,
            )
        where = "distillation set" if relation.test_set == DISTILLATION else "test set"
        ax.set_xlabel(f"{labels.metric(relation.metric)}{unit}, {where}")
        ax.set_title(f"ρ = {labels.number(relation.rho, 2, signed=True)}", fontsize=9)
        ax.locator_params(axis="x", nbins=4)
        ax.locator_params(axis="y", nbins=5)
    figure.supylabel(f"{labels.model(student)} accuracy, %", fontsize=9)
    style.strategy_legend(
        figure, palette, list(dict.fromkeys(p.strategy for relation in found for p in relation.points))
    )
    return figure


def _sd(values: Sequence[float]) -> float:
    """The s.d. over blocks, 0 (no bar) without two of them."""
    return stdev(values) if len(values) > 1 else 0.0


def teacher_relations(context: FigureContext) -> list[Figure] | str:
    """A figure per student."""
    drawn = []
    for student in context.saved.students:
        found = relations(context, student)
        if not found:
            continue
        count = max(len(relation.points) for relation in found)
        name = labels.model(student)
        caption = (
            f"Marks: means over blocks, bars ± 1 s.d. ρ: Spearman’s over {count} strategies’ means; with fewer than "
            "eight it describes and proves nothing. Distillation set: the teacher’s outputs for the training images."
        )
        text = f"Rank correlation of {name} accuracy with its teacher’s " + sentence(
            f"{labels.metric(relation.metric)} on the {labels.test_set(relation.test_set)} set "
            f"{labels.number(relation.rho, 2, signed=True)}"
            for relation in found
        )
        figure = draw_relations(found, context.palette, student)
        drawn.append(Figure(f"figure-properties-{student}", caption, text, figure, student))
    return drawn or f"a rank correlation needs {FEWEST} strategies with both teachers and students"
