"""How figures look: one colour and marker per strategy everywhere, and colours that a page can turn over in the dark.

The colours of strategies are told apart with colour-blindness too (found by search over simulated vision, contrast
at least 3), and markers say the same again. On the page every colour is a CSS variable: a dark page has lighter ones.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from augdistill.augment import AUGMENTATIONS, Augmentation
from augdistill.results import labels

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes

INK, MUTED, GRID, PAPER = "#1d2126", "#626a73", "#dfe3e7", "#fdfdfe"
STRATEGY_COLOURS = {"baseline": "#8a8f96", **{k: one.colour for k, one in AUGMENTATIONS.own.items()}, "labels": INK}
STRATEGY_MARKERS = {"baseline": "o", **{k: one.marker for k, one in AUGMENTATIONS.own.items()}, "labels": "x"}
MORE_COLOURS = ("#3a9bd1", "#a34a00", "#7a5fc0", "#8a8100", "#00838f", "#c03a3a")
MORE_MARKERS = ("v", "X", "<", ">", "p", "h")
CLASS_COLOURS = ("#b34700", "#d18b00", "#1f4e9c", "#2b96bd")
CLASS_MARKERS = ("o", "^", "s", "D")
DARK = {
    INK: "#e8eaed",
    MUTED: "#a5adb6",
    GRID: "#3a4048",
    PAPER: "#16191d",
    "#8a8f96": "#858c94",
    **{one.colour: one.dark_colour for one in AUGMENTATIONS.own.values()},
    "#3a9bd1": "#7cc4ec",
    "#a34a00": "#d98046",
    "#7a5fc0": "#a893e6",
    "#8a8100": "#c2b92e",
    "#00838f": "#33b5c1",
    "#c03a3a": "#ea7575",
    "#b34700": "#ef7f3c",
    "#d18b00": "#f5c542",
    "#1f4e9c": "#6f9be8",
    "#2b96bd": "#86d0ec",
}
"""Each colour that figures use -> the one that a dark page shows instead."""
SEQUENTIAL = "cividis"
RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "savefig.facecolor": "white",
    "svg.hashsalt": "augdistill",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a class may be called $5
}


@contextmanager
def applied(**changes: Any) -> Iterator[None]:
    """Draw or save in the house's style while the block runs, whatever the user's matplotlibrc or MPLBACKEND say."""
    import_matplotlib()
    from matplotlib import rc_context, rcParamsDefault

    defaults = {key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")}
    settings: Any = {**defaults, **RC, **changes}
    with rc_context(settings):
        yield


def import_matplotlib() -> None:
    """Import matplotlib, also where MPLBACKEND names a backend that is not installed here: every Jupyter exports one.

    Ours are figures without a backend; the user's, where it can be had, is what it would have been.
    """
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named is not None:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = named


class Palette:
    """The colour, marker and line of every strategy of a study."""

    def __init__(self, strategies: Sequence[str]) -> None:
        last = [name.rpartition("+")[2] for name in strategies]
        added: dict[str, Augmentation] = {
            name: one for name in last if name not in STRATEGY_COLOURS and (one := AUGMENTATIONS.get(name))
        }
        unknown = [name for name in dict.fromkeys(last) if name not in STRATEGY_COLOURS and name not in added]
        self.colours = STRATEGY_COLOURS | {name: one.colour for name, one in added.items()}
        self.markers = STRATEGY_MARKERS | {name: one.marker for name, one in added.items()}
        for index, name in enumerate(unknown):
            self.colours[name] = MORE_COLOURS[index % len(MORE_COLOURS)]
            self.markers[name] = MORE_MARKERS[index % len(MORE_MARKERS)]

    def colour(self, strategy: str) -> str:
        """Return the colour of a strategy; a stack has that of its last member."""
        return self.colours[strategy.rpartition("+")[2]]

    def marker(self, strategy: str) -> str:
        """Return the marker of a strategy; a stack has that of its last member."""
        return self.markers[strategy.rpartition("+")[2]]

    def mark(self, strategy: str) -> Any:
        """Return what draws one mark of a strategy, as keyword arguments of `plot`."""
        colour = self.colour(strategy)
        return {"marker": self.marker(strategy), "color": colour, "mfc": self.fill(strategy), "mec": colour, "mew": 1.4}

    def curve(self, strategy: str) -> Any:
        """Return what draws a strategy's points joined, with bars, as keyword arguments of `errorbar`."""
        look = {"color": self.colour(strategy), "marker": self.marker(strategy), "ls": self.line(strategy)}
        return {**look, "mfc": self.fill(strategy), "ms": 4.5, "lw": 1.4, "elinewidth": 0.9}

    def line(self, strategy: str) -> str:
        """Return the line style: dashed for stacks, dotted for labels only."""
        return ":" if strategy == "labels" else "--" if "+" in strategy else "-"

    def fill(self, strategy: str) -> str:
        """Return the marker's face: hollow for stacks."""
        return PAPER if "+" in strategy else self.colour(strategy)


def dark() -> dict[str, str]:
    """Return the colour that stands for each of ours on a dark page, those of plugins' strategies among them."""
    return {one.colour: one.dark_colour for one in AUGMENTATIONS.values()} | DARK


NARROW = ContextVar("NARROW", default=False)
"""Whether figures are drawn for a phone: panels one below the other."""
PHONE = 3.7  # inches across that a phone shows without shrinking the letters


@contextmanager
def stacked() -> Iterator[None]:
    """Draw for a phone while the block runs."""
    token = NARROW.set(True)
    try:
        yield
    finally:
        NARROW.reset(token)


def across(columns: int, width: float = 3.0) -> int:
    """Return how many panels of a width stand beside each other, of the columns that a wide page has."""
    return min(columns, max(1, round(PHONE / width))) if NARROW.get() else columns


def panels(count: int, columns: int, width: float = 3.0, height: float = 2.7) -> "tuple[mpl.Figure, list[Axes]]":
    """Return a figure of `count` panels in rows of at most `columns`, each `width` by `height` inches at most."""
    from matplotlib.figure import Figure

    wide = min(count, across(columns, width))
    down = -(-count // wide)
    width = min(width, PHONE / wide) if NARROW.get() else width
    figure = Figure(figsize=(width * wide, height * down), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    # the constrained engine's own
    engine.set(w_pad=0.08, h_pad=0.09, hspace=0.03, wspace=0.02)  # type: ignore[call-arg]
    axes = [figure.add_subplot(down, wide, index + 1) for index in range(count)]
    return figure, axes


def strategy_legend(figure: "mpl.Figure", palette: Palette, strategies: Sequence[str], *, lines: bool = False) -> None:
    """Put a legend of strategies over all panels: their marks, or with `lines` the lines alone."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=palette.colour(name),
            ls=palette.line(name) if lines else "",
            marker="" if lines else palette.marker(name),
            mfc=palette.fill(name),
            ms=6,
        )
        for name in strategies
    ]
    legend_above(figure, handles, [labels.strategy(name) for name in strategies])


def legend_above(figure: "mpl.Figure", handles: Sequence[Any], names: Sequence[str], **changes: Any) -> None:
    """Put one legend over all panels, outside of them, as wide as six names, on a phone as two."""
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=min(2 if NARROW.get() else 6, len(names)),
        handletextpad=0.5,
        columnspacing=1.4,
        **changes,
    )


def without_frame(axes: "Axes") -> None:
    """Take grid, ticks and spines away, as for images and embeddings."""
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
