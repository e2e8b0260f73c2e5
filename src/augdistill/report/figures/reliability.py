"""Reliability curves by strategy (Figure 3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from augdistill.base.arrays import Floats
from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.needs import NEEDS
from augdistill.results import labels
from augdistill.results.study import LABELS

if TYPE_CHECKING:
    from matplotlib import figure as mpl

FEWEST = 10
"""A block's bin with fewer images is left out."""


@dataclass(frozen=True)
class Curve:
    """Mean confidence, mean accuracy and its s.d. over blocks, for each bin that has enough images: all [bins]."""

    strategy: str
    confidence: Floats
    accuracy: Floats
    sd: Floats


def curve(strategy: str, diagrams: Iterable[tuple[int, dict[str, Any]]]) -> Curve | None:
    """Return the curve of (block, reliability arrays) of an arm's runs, None without runs.

    Runs of one block are pooled, image by image; blocks with FEWEST images or more in a bin are averaged.
    """
    blocks: dict[int, list[Floats]] = {}
    for block, diagram in diagrams:
        counts = np.asarray(diagram["counts"], dtype=np.float64)
        sums = [
            counts * np.nan_to_num(np.asarray(diagram[name], dtype=np.float64)) for name in ("confidence", "accuracy")
        ]
        blocks.setdefault(block, []).append(np.stack([counts, *sums]))
    if not blocks:
        return None
    pooled = np.stack([np.sum(runs, axis=0) for runs in blocks.values()])
    counts = np.where(pooled[:, 0] >= FEWEST, pooled[:, 0], np.nan)
    confidence, accuracy = pooled[:, 1] / counts, pooled[:, 2] / counts
    kept = np.isfinite(counts).any(axis=0)
    sd = [
        np.std(bin[np.isfinite(bin)], ddof=1) if np.isfinite(bin).sum() > 1 else np.nan for bin in accuracy[:, kept].T
    ]
    return Curve(strategy, np.nanmean(confidence[:, kept], axis=0), np.nanmean(accuracy[:, kept], axis=0), np.array(sd))


def curves(context: FigureContext, role: str, model: str) -> list[Curve]:
    """Return a curve for each strategy of a model that has runs."""
    saved, found = context.saved, []
    for aug in (*saved.augs, LABELS):
        places = saved.plain("control" if aug == LABELS else role, model, aug)
        arrays = ((place.block, saved.arrays(place, saved.test_set)) for place in places)
        one = curve(aug, [(block, content["reliability"]) for block, content in arrays if content])
        if one is not None and len(one.confidence):
            found.append(one)
    return found


def draw_reliability(panels: Sequence[tuple[str, list[Curve]]], palette: style.Palette) -> "mpl.Figure":
    """Draw a panel per model, its curves beside the diagonal of perfect calibration."""
    figure, axes = style.panels(len(panels), 3, width=3.4, height=3.3)
    for (title, found), ax in zip(panels, axes, strict=True):
        ax.plot([0, 1], [0, 1], color=style.MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
        for one in found:
            ax.errorbar(one.confidence, one.accuracy, yerr=np.nan_to_num(one.sd), **palette.curve(one.strategy))
        ax.set_title(title)
        ax.set_xlabel("confidence")
        ax.set_xlim(0, 1.02)
        ax.set_ylim(0, 1.02)
        ax.set_aspect("equal")
    for ax in axes if style.NARROW.get() else axes[:1]:
        ax.set_ylabel("accuracy")
    style.strategy_legend(figure, palette, list(dict.fromkeys(one.strategy for _, found in panels for one in found)))
    return figure


def reliability_curves(context: FigureContext) -> list[Figure] | str:
    """Figure 3: accuracy against confidence of teachers and students."""
    found = [(f"{labels.model(model)} {role}s", curves(context, role, model)) for role, model in context.saved.models]
    panels = [(title, members) for title, members in found if members]
    if not panels:
        return NEEDS["evaluations"][1]
    caption = (
        "Below the dashed diagonal a model is over-confident, above it under-confident. Points: mean over blocks, bars "
        f"± 1 s.d.; bins with fewer than {FEWEST} images in a block are left out."
    )
    text = sentence(
        f"{title}, accuracy minus confidence by bin, least to most confident: "
        + ", ".join(
            f"{labels.strategy(one.strategy)} "
            + " ".join(labels.number(gap, 2, signed=True) for gap in one.accuracy - one.confidence)
            for one in members
        )
        for title, members in panels
    )
    return [Figure("figure-3", caption, text, draw_reliability(panels, context.palette))]
