"""Where humans put their doubts (Figure 4) and how far models are from them, class by class (Figure 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augdistill.base.arrays import Floats
from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.needs import NEEDS
from augdistill.results import labels

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh


@dataclass(frozen=True)
class Matrix:
    """The mean over an arm's runs of KL(human mean of true class i || model mean of true class j), [K, K], in nats."""

    role: str
    model: str
    strategy: str
    values: Floats

    @property
    def diagonal(self) -> float:
        return float(np.diag(self.values).mean())

    @property
    def off_diagonal(self) -> float:
        classes = len(self.values)
        return float((self.values.sum() - np.trace(self.values)) / (classes * (classes - 1)))


def human_means(context: FigureContext) -> Floats | None:
    """Return the mean human distribution of each true class, [K, K]; None if no run was compared with humans."""
    for place in context.saved.places:
        for where in context.saved.test_sets:
            if context.cells.has("human_ce", where):
                arrays = context.saved.arrays(place, where)
                if arrays and "human_class_means" in arrays:
                    return np.array(arrays["human_class_means"], dtype=np.float64)
    return None


def matrices(context: FigureContext) -> list[Matrix]:
    """Return the matrix of every model and strategy: block means, averaged."""
    saved, found = context.saved, []
    where = next((name for name in saved.test_sets if context.cells.has("human_ce", name)), None)
    if where is None:
        return []
    for role, model in saved.models:
        for aug in saved.augs:
            blocks: dict[int, list[Floats]] = {}
            for place in saved.plain(role, model, aug):
                arrays = saved.arrays(place, where)
                if arrays:
                    blocks.setdefault(place.block, []).append(np.array(arrays["human_kl_matrix"], dtype=np.float64))
            if blocks:
                mean = np.mean([np.mean(runs, axis=0) for runs in blocks.values()], axis=0)
                found.append(Matrix(role, model, aug, mean))
    return found


def heatmap(ax: "Axes", values: Floats, top: float) -> "QuadMesh":
    """Draw a matrix from row 0 at the top, NaN left blank, on a scale from 0 to `top`."""
    mesh = ax.pcolormesh(np.ma.masked_invalid(values), cmap=style.SEQUENTIAL, vmin=0, vmax=top, ec="none")
    ax.invert_yaxis()
    ax.set_aspect("equal")
    style.without_frame(ax)
    return mesh


def draw_human_means(values: Floats, names: Sequence[str]) -> "mpl.Figure":
    """Draw off-diagonal shares in percent, the diagonal masked."""
    figure, (ax,) = style.panels(1, 1, width=5.6, height=4.8)
    masked = values.copy()
    np.fill_diagonal(masked, np.nan)
    top = float(np.nanmax(masked))
    mesh = heatmap(ax, masked * 100, top * 100)
    centres = np.arange(len(names)) + 0.5
    ax.set_xticks(centres, names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(centres, names)
    ax.tick_params(length=0)
    for i, j in zip(*np.nonzero(np.nan_to_num(masked) >= 0.0095), strict=True):
        shade = "#000000" if masked[i, j] > 0.55 * top else "#ffffff"
        ax.text(j + 0.5, i + 0.5, f"{100 * masked[i, j]:.1f}", ha="center", va="center", fontsize=7.5, color=shade)
    ax.set_xlabel("humans said")
    ax.set_ylabel("true class")
    bar = figure.colorbar(mesh, ax=ax, shrink=0.85, pad=0.02)
    bar.set_label("share of answers, %")
    bar.outline.set_visible(False)
    return figure


def draw_matrices(found: Sequence[Matrix]) -> "mpl.Figure":
    """Draw a row per model and a column per strategy, all on one colour scale."""
    strategies = list(dict.fromkeys(matrix.strategy for matrix in found))
    models = list(dict.fromkeys((matrix.role, matrix.model) for matrix in found))
    size = 4.2 if len(strategies) == 1 else 2.8 if len(strategies) == 2 else 2.05
    figure, axes = style.panels(len(strategies) * len(models), len(strategies), width=size, height=size + 0.35)
    top = float(max(matrix.values.max() for matrix in found))
    by_place = {(matrix.role, matrix.model, matrix.strategy): matrix for matrix in found}
    mesh = None
    for index, ax in enumerate(axes):
        place, strategy = models[index // len(strategies)], strategies[index % len(strategies)]
        matrix = by_place.get((*place, strategy))
        if matrix is None:
            ax.set_visible(False)
            continue
        mesh = heatmap(ax, matrix.values, top)
        ax.set_title(f"{labels.strategy(strategy)}\n", fontsize=9)
        within = f"own {matrix.diagonal:.2f}, other {matrix.off_diagonal:.2f}"
        ax.text(0.5, 1.03, within, transform=ax.transAxes, ha="center", fontsize=7.5, color=style.MUTED)
        if index % len(strategies) == 0 or style.NARROW.get():
            ax.set_ylabel(f"{labels.model(place[1])} {place[0]}")
    assert mesh is not None
    bar = figure.colorbar(mesh, ax=axes, shrink=0.6, pad=0.015, aspect=30)
    bar.set_label("KL(human ‖ model), nats")
    bar.outline.set_visible(False)
    return figure


def human_confidence(context: FigureContext) -> list[Figure] | str:
    """Figure 4: the mean human distribution of each class, diagonal masked."""
    values = human_means(context)
    if values is None:
        return NEEDS["human labels"][1]
    names = context.classes
    off = values - np.diag(np.diag(values))
    order = np.argsort(off, axis=None)[::-1][:6]
    largest = [(names[index // len(names)], names[index % len(names)], off.flat[index]) for index in order]
    text = "Heat map of human answers by true class. Largest: " + sentence(
        f"{true} called {said} {100 * share:.1f} %" for true, said, share in largest
    )
    caption = "Mean over the images of each true class; the diagonal is masked; shares of 1 % and more are printed."
    return [Figure("figure-4", caption, text, draw_human_means(values, names))]


def human_kl(context: FigureContext) -> list[Figure] | str:
    """Figure 5: KL between class means of humans and of each model."""
    found = matrices(context)
    if not found:
        return NEEDS["human labels"][1]
    caption = (
        "Row i, column j: KL(human mean of true class i ‖ model mean of true class j), averaged over blocks; one "
        "colour scale for all. Own: mean of the diagonal; other: mean off it."
    )
    caption += f" Classes from the top and from the left: {', '.join(context.saved.classes)}."
    text = sentence(
        f"{labels.model(matrix.model)} {matrix.role}, {labels.strategy(matrix.strategy)}: mean on the diagonal "
        f"{matrix.diagonal:.3f}, off it {matrix.off_diagonal:.2f} nats"
        for matrix in found
    )
    return [Figure("figure-5", caption, text, draw_matrices(found))]
