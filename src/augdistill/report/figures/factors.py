"""Figures of a factorial study: what each factor changes, and how pairs of factors act together."""

from typing import TYPE_CHECKING

from augdistill.report.figures import style
from augdistill.report.figures.base import Figure, FigureContext, sentence
from augdistill.results import labels
from augdistill.results.factorial import FactorEffect, FactorialResults, factorial_results

if TYPE_CHECKING:
    from matplotlib import figure as mpl

COLOUR = style.MORE_COLOURS[4]
LEVELS = ((-1, style.MUTED, "o", "--"), (1, COLOUR, "s", "-"))
WIDEST = 34  # characters below a panel


def draw_effects(found: FactorialResults) -> "mpl.Figure":
    """Draw the main effects with their intervals, the first factor on top; those not shown to be any are hollow."""
    figure, (ax,) = style.panels(1, 1, width=5.6, height=1.1 + 0.38 * len(found.main))
    ax.axvline(0, color=style.INK, lw=1, zorder=1)
    for height, effect in enumerate(found.main):
        if effect.low == effect.low:
            ax.plot([effect.low, effect.high], [-height] * 2, color=COLOUR, lw=2.2, solid_capstyle="round")
        face = COLOUR if effect.is_clear else style.PAPER
        ax.plot(effect.value, -height, "o", ms=8, zorder=4, color=COLOUR, mfc=face, mew=1.4)
    ax.set_ylim(-len(found.main) + 0.4, 0.6)
    ax.set_yticks([-height for height in range(len(found.main))], [effect.name for effect in found.main])
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.set_xlabel(f"change from low to high{f', {found.unit}' if found.unit else ''}")
    return figure


def draw_interactions(found: FactorialResults) -> "mpl.Figure":
    """Draw a panel per pair: the mean response over one factor's levels, a line for each level of the other."""
    figure, axes = style.panels(len(found.drawn), 3, width=3.2, height=2.9)
    by_letter = {effect.word: effect for effect in found.main}
    for word, ax in zip(found.drawn, axes, strict=True):
        means = found.means(word)
        first, second = (by_letter[letter] for letter in word)
        for level, colour, marker, line in LEVELS:
            values = [means[x, level] for x in (-1, 1)]
            name = short(found, second)[level > 0]
            ax.plot([0, 1], values, color=colour, marker=marker, ls=line, label=f"{second.name}: {name}")
        ax.axhline(0, color=style.INK, lw=0.8, zorder=1)
        ax.set_xticks([0, 1], short(found, first))
        ax.set_xlim(-0.25, 1.25)
        ax.set_xlabel(first.name)
        ax.set_title(word)
        ax.margins(y=0.35)
        ax.legend(loc="upper center")
    for ax in axes[::3]:
        ax.set_ylabel(f"mean response{f', {found.unit}' if found.unit else ''}")
    return figure


def short(found: FactorialResults, effect: FactorEffect) -> tuple[str, str]:
    """Return the names of a factor's levels as cells have them."""
    return list(found.design.factors.values())[found.design.letters.index(effect.word)].levels


def effects_of_factors(context: FigureContext) -> list[Figure] | str:
    """The change that each factor makes."""
    found = factorial_results(context.saved, context.cells)
    if isinstance(found, str):
        return found
    bars = (
        "Bars: 95 % intervals, not adjusted for their number; filled: significant at 5 % after Holm over all factors."
    )
    caption = (
        f"By how much each factor changes the {found.what}. {bars if found.fitted.df else 'No interval: no residual.'}"
    )
    return [
        Figure("figure-effect", caption, sentence(effect_words(found, one) for one in found.main), draw_effects(found))
    ]


def interactions_of_factors(context: FigureContext) -> list[Figure] | str:
    """How pairs of factors act together."""
    found = factorial_results(context.saved, context.cells)
    if isinstance(found, str):
        return found
    if not found.drawn:
        return "the design leaves no interaction that could be told apart, or none was asked for"
    caption = f"Fitted means of the {found.what}. Parallel lines: the factors act each on its own."
    told = []
    for word in found.drawn:
        values = ", ".join(
            f"{labels.number(value, found.places, signed=True)} at {''.join('−+'[level > 0] for level in levels)}"
            for levels, value in found.means(word).items()
        )
        told.append(f"{' and '.join(map(found.name, word))}: {values}")
    return [Figure("figure-interactions", caption, sentence(told), draw_interactions(found))]


def effect_words(found: FactorialResults, effect: FactorEffect) -> str:
    """Return an effect as "student rate +1.20 points (95 % interval 0.70 to 1.70)"."""
    value, low, high = (
        labels.number(one, found.places, signed=True) for one in (effect.value, effect.low, effect.high)
    )
    unit = f" {found.unit}" if found.unit else ""
    span = f" (95 % interval {low} to {high})" if effect.low == effect.low else ""
    return f"{effect.name} {value}{unit}{span}"
