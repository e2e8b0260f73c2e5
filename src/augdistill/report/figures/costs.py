"""Accuracy of every network of a study against the time that it takes for an image."""

from typing import TYPE_CHECKING

from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.report.tables.costs import accuracies, called
from augdistill.results import labels
from augdistill.results.cells import Cell
from augdistill.results.costs import NetworkCosts

if TYPE_CHECKING:
    from matplotlib import figure as mpl

CAPTION = (
    "Marks: means over blocks, bars ± 1 s.d. Latency: median time for a single image on one thread of {machines}; the "
    "axis is logarithmic, and the marks of a model, all of one latency, stand side by side."
)
APART = 6  # points between them


def accuracy_by_latency(context: FigureContext) -> list[Figure] | str:
    """A figure of all networks, a mark for each strategy."""
    saved = context.saved
    found = [(network, accuracies(saved, context.cells, network)) for network in saved.costs]
    found = [(network, reached) for network, reached in found if reached]
    if not found:
        return "no network that was measured is evaluated yet"
    machines = " and ".join(dict.fromkeys(network.hardware for network, _ in found))
    text = f"Accuracy in percent on {labels.test_set(saved.test_set)} against latency. " + sentence(
        f"{called(network)}, {labels.number(network.manifest.latency_p50, 2)} ms: "
        + ", ".join(f"{labels.strategy(aug)} {cell.shown(cell.mean)}" for aug, cell in reached.items())
        for network, reached in found
    )
    figure = drawn(found, context.palette)
    return [Figure("figure-costs", CAPTION.format(machines=machines), text, figure)]


def drawn(found: list[tuple[NetworkCosts, dict[str, Cell]]], palette: style.Palette) -> "mpl.Figure":
    """Draw accuracy over latency, each network called by its name above its marks."""
    from matplotlib.ticker import LogLocator, NullLocator
    from matplotlib.transforms import ScaledTranslation

    figure, (ax,) = style.panels(1, 1, width=6.8, height=3.4)
    for network, reached in found:
        latency = network.manifest.latency_p50
        top = 0.0
        for place, (aug, cell) in enumerate(reached.items()):
            beside = ScaledTranslation(APART * (place - (len(reached) - 1) / 2) / 72, 0, figure.dpi_scale_trans)
            spread = 100 * cell.sd if cell.n > 1 else 0.0
            look = {"ms": 6.5, "elinewidth": 1, "ls": "none", "ecolor": palette.colour(aug), **palette.mark(aug)}
            ax.errorbar(latency, 100 * cell.mean, yerr=spread, transform=ax.transData + beside, **look)
            top = max(top, 100 * cell.mean + spread)
            ax.update_datalim([(latency, 100 * cell.mean + sign * spread) for sign in (-1, 1)])
        ax.annotate(called(network), (latency, top), (0, 5), textcoords="offset points", ha="center", fontsize=8.5)
    ax.set_xscale("log")
    ax.margins(x=0.28, y=0.14)
    ax.autoscale_view()
    low, high = (least(network.manifest.latency_p50 for network, _ in found) for least in (min, max))
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3) if high > 10 * low else (1, 2, 4, 6)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("median latency of an image, ms")
    ax.set_ylabel("accuracy, %")
    style.strategy_legend(figure, palette, list(dict.fromkeys(aug for _, reached in found for aug in reached)))
    return figure
