"""Training curves from the runs' histories, by model and strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augdistill.base.arrays import Floats
from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.needs import NEEDS
from augdistill.results import labels
from augdistill.results.study import LABELS

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes

QUANTITIES = {
    "ce": "cross-entropy",
    "kd": "distillation KL",
    "validation_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
    "test_loss": "test cross-entropy",
}
"""Columns of history.csv that are drawn; those on a logarithmic scale are losses."""
LOSSES = ("ce", "kd", "test_loss")


@dataclass(frozen=True)
class Course:
    """A quantity over the epochs 1 to E: its mean, least and largest value over an arm's runs, each [E]."""

    strategy: str
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class CoursePanel:
    """One quantity of one model."""

    role: str
    model: str
    quantity: str
    courses: tuple[Course, ...]


def course(strategy: str, histories: Sequence[Sequence[float]]) -> Course:
    """Return the course of an arm's runs, over as many epochs as all of them have."""
    epochs = min(map(len, histories))
    values = np.array([history[:epochs] for history in histories], dtype=np.float64)
    return Course(strategy, values.mean(axis=0), values.min(axis=0), values.max(axis=0))


def panels(context: FigureContext) -> list[CoursePanel]:
    """Return a panel for each quantity of each model that any history holds and that is not zero throughout."""
    saved, found = context.saved, []
    for role, model in saved.models:
        histories = {
            aug: [
                rows
                for place in saved.plain("control" if aug == LABELS else role, model, aug)
                if (rows := saved.history(place))
            ]
            for aug in (*saved.augs, LABELS)
        }
        for quantity in QUANTITIES:
            courses = []
            for aug, runs in histories.items():
                columns = [[row[quantity] for row in rows] for rows in runs if all(quantity in row for row in rows)]
                if columns and any(map(any, columns)):
                    courses.append(course(aug, columns))
            if courses:
                found.append(CoursePanel(role, model, quantity, tuple(courses)))
    return found


def draw_courses(found: Sequence[CoursePanel], palette: style.Palette) -> "mpl.Figure":
    """Draw a panel per quantity and model."""
    columns = 3 if len(found) != 4 else 4
    figure, axes = style.panels(len(found), columns, width=3.3 if columns == 3 else 2.7, height=2.6)
    for panel, ax in zip(found, axes, strict=True):
        for one in panel.courses:
            name, epochs = one.strategy, np.arange(1, len(one.mean) + 1)
            dot = palette.marker(name) if len(epochs) == 1 else ""
            ax.plot(epochs, one.mean, color=palette.colour(name), ls=palette.line(name), marker=dot, lw=1.5)
            ax.fill_between(epochs, one.low, one.high, color=palette.colour(name), alpha=0.15, lw=0)
        ax.set_title(f"{labels.model(panel.model)} {panel.role}: {QUANTITIES[panel.quantity]}")
        ax.set_xlabel("epoch")
        ax.locator_params(axis="x", nbins=6, integer=True)
        if panel.quantity in LOSSES:
            logarithmic(ax)
    names = list(dict.fromkeys(one.strategy for panel in found for one in panel.courses))
    style.strategy_legend(figure, palette, names, lines=True)
    return figure


def logarithmic(ax: "Axes") -> None:
    """Make the y axis logarithmic with plain numbers at it; within two decades also at 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def training_curves(context: FigureContext) -> list[Figure] | str:
    """Loss and its parts, and validation accuracy where there is a split, by epoch."""
    found = panels(context)
    if not found:
        return NEEDS["histories"][1]
    caption = (
        "Lines: mean over all runs of an arm; bands: least to largest. Under Mixup and CutMix the teacher’s loss is "
        "that against mixed labels, which cannot reach 0: compare it within a strategy."
    )
    text = "Value after the last epoch. " + sentence(
        f"{labels.model(panel.model)} {panel.role}, {QUANTITIES[panel.quantity]}: "
        + ", ".join(f"{labels.strategy(one.strategy)} {one.mean[-1]:.3g}" for one in panel.courses)
        for panel in found
    )
    return [Figure("figure-curves", caption, text, draw_courses(found, context.palette))]
