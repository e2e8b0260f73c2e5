"""What the factors of a study do to its response, from saved results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from augdistill.config import factors as design_of
from augdistill.config.factors import LETTERS, Cell, Factorial
from augdistill.results import labels
from augdistill.results.cells import Cells, arm
from augdistill.results.study import SavedStudy
from augdistill.stats import contrasts as st
from augdistill.stats.factorial import FactorialFit, fit

ALPHA = 0.05


@dataclass(frozen=True)
class Response:
    """What one cell gave in one block, in the response's unit; NaN where one of its arms has no healthy run."""

    cell: Cell
    block: int
    value: float


@dataclass(frozen=True)
class FactorEffect:
    """The mean response at a factor's high level minus that at its low one, or the interaction of two factors.

    The 95 % interval and the two-sided p are those of t with the residual's degrees of freedom, NaN without any.
    `p_holm` is adjusted over the main effects, or over the interactions.
    """

    word: str
    name: str
    levels: tuple[str, str]
    value: float
    low: float
    high: float
    p: float
    p_holm: float
    aliases: tuple[str, ...]

    @property
    def is_clear(self) -> bool:
        return self.p_holm <= ALPHA


@dataclass(frozen=True)
class FactorialResults:
    """The effects of a study's factors, and of pairs of them, with what they were computed from."""

    design: Factorial
    responses: tuple[Response, ...]
    main: tuple[FactorEffect, ...]
    interactions: tuple[FactorEffect, ...]
    fitted: FactorialFit
    drawn: tuple[str, ...]
    """the interactions that are to be drawn"""
    what: str
    """the response in words: accuracy of students of ... minus that of students of ..."""
    unit: str
    places: int

    def name(self, letter: str) -> str:
        """Return the factor of a letter as it is written."""
        return factor_name(list(self.design.factors)[LETTERS.index(letter)])

    @property
    def left_out(self) -> tuple[str, ...]:
        """The interactions that could be told apart, and are not in the model since responses are missing."""
        return tuple(word for word in self.design.clear if word not in {effect.word for effect in self.interactions})

    @property
    def missing(self) -> tuple[Response, ...]:
        """The cells that have no response."""
        return tuple(one for one in self.responses if one.value != one.value)

    def shared_levels(self, responses: Sequence[Response]) -> list[tuple[str, str]]:
        """Return (factor, level) of every factor of which all of some cells have one level."""
        return [
            (factor_name(name), factor.levels[signs.pop() > 0])
            for index, (name, factor) in enumerate(self.design.factors.items())
            if len(signs := {one.cell.signs[index] for one in responses}) == 1
        ]

    def means(self, word: str) -> dict[tuple[int, int], float]:
        """Return the fitted mean response at the four combinations of two factors' levels, -1 and +1."""
        a, b = map(LETTERS.index, word)
        return {(x, y): self.fitted.mean_at({a: x, b: y}) for x in (-1, 1) for y in (-1, 1)}


def factorial_results(saved: SavedStudy, cells: Cells) -> FactorialResults | str:
    """Return what became of a study's factors, or why nothing is known: too few cells have all their students."""
    design = design_of.factorial(saved.design.factors, saved.design.design)
    metric = saved.design.design.response.metric
    entry = labels.entry(metric)
    scale = 100.0 if entry.percent else 1.0
    found = tuple(responses(saved, cells, design, scale))
    there = [one for one in found if one.value == one.value]
    if len(there) < 2:
        return "no two cells have all their students in good health yet"
    asked = saved.design.design.interactions
    named = None if asked is None else ["".join(sorted(word)) for word in asked]
    words, fitted = estimable(design, there, named or [])
    main, pairs = tested(design, fitted, words)
    chosen = most_notable(pairs) if named is None else tuple(word for word in named if word in words)
    unit = "points" if entry.percent else entry.unit
    places = 2 if entry.percent else 3
    return FactorialResults(design, found, main, pairs, fitted, chosen, in_words(saved, metric), unit, places)


def estimable(design: Factorial, responses: Sequence[Response], named: Sequence[str]) -> tuple[list[str], FactorialFit]:
    """Return the terms of the model and its fit: every interaction that can be told apart.

    Where responses are missing, so that a main effect could not be estimated beside them, only those that the study
    names; where it could not beside these, none.
    """
    for pairs in (design.clear, named, []):
        words = [*design.letters, *pairs]
        fitted = fit(
            [one.cell.signs for one in responses],
            [one.block for one in responses],
            [one.value for one in responses],
            [tuple(map(LETTERS.index, word)) for word in words],
        )
        if not np.isnan(fitted.effects.value[: len(design.letters)]).any():
            break
    return words, fitted


def responses(saved: SavedStudy, cells: Cells, design: Factorial, scale: float) -> Iterator[Response]:
    """Yield the response of every cell in every block that has it, block by block."""
    plus, minus = sides(saved)
    metric = saved.design.design.response.metric
    blocks = sorted({place.block for place in saved.places})
    for block in blocks:
        for cell in design.cells:
            if cell.block == (block - blocks[0]) % design.blocks:
                means = [mean_of(saved, cells, side, cell.name, metric, block) for side in (plus, minus)]
                yield Response(cell, block, scale * (means[0] - means[1]))


def mean_of(saved: SavedStudy, cells: Cells, strategies: list[str], cell: str, metric: str, block: int) -> float:
    """Return the mean over strategies and students' models of one block, NaN if any of them is not there."""
    arms = [arm("student", model, aug, variant=cell) for model in saved.students for aug in strategies]
    return fmean(cells.blocks(one, metric, saved.test_set).get(block, float("nan")) for one in arms)


def tested(
    design: Factorial, fitted: FactorialFit, words: list[str]
) -> tuple[tuple[FactorEffect, ...], tuple[FactorEffect, ...]]:
    """Return the main effects and the interactions with intervals and p, adjusted within each of both."""
    low, high = st.interval(fitted.effects)
    p = st.p_two_sided(fitted.effects)
    names = list(design.factors)
    families = []
    for chosen in (range(len(names)), range(len(names), len(words))):
        adjusted = st.holm(p[chosen.start : chosen.stop])
        family = []
        for index, p_holm in zip(chosen, adjusted, strict=True):
            word = words[index]
            parts = [names[LETTERS.index(letter)] for letter in word]
            levels = level_words(design, parts[0]) if len(parts) == 1 else ("", "")
            numbers = (float(fitted.effects.value[index]), float(low[index]), float(high[index]), float(p[index]))
            own = float(p_holm) if numbers[3] == numbers[3] else float("nan")
            name = " × ".join(map(factor_name, parts))
            family.append(FactorEffect(word, name, levels, *numbers, own, tuple(design.aliases(word))))
        families.append(tuple(family))
    return families[0], families[1]


def most_notable(pairs: tuple[FactorEffect, ...], count: int = 3) -> tuple[str, ...]:
    """Return the interactions that stand out most, the largest first."""
    known = [pair for pair in pairs if pair.value == pair.value]
    return tuple(pair.word for pair in sorted(known, key=lambda pair: -abs(pair.value))[:count])


def level_words(design: Factorial, name: str) -> tuple[str, str]:
    """Return what a factor's levels are, in words."""
    factor = design.factors[name]
    low, high = (
        labels.variant(",".join(f"{key}={value}" for key, value in level.items()))
        for level in (factor.low, factor.high)
    )
    return low, high


def factor_name(name: str) -> str:
    """Return a factor's name as words."""
    return name.replace("-", " ").replace("_", " ")


def sides(saved: SavedStudy) -> tuple[list[str], list[str]]:
    """Return the strategies whose students the response compares."""
    return design_of.sides(saved.design.design.response, saved.augs, saved.base)


def in_words(saved: SavedStudy, metric: str) -> str:
    """Return a response in words: accuracy of Mixup and CutMix students minus that of Baseline students."""
    plus, minus = (" and ".join(map(labels.strategy, side)) for side in sides(saved))
    return f"{labels.metric(metric).lower()} of {plus} students minus that of {minus} students"
