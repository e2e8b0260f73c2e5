"""Factorial designs: which combinations of two-level factors are run, in which block, and what each is called.

Factors are lettered in their order, without I, the identity of the algebra. A word of letters is the product of their
levels, -1 and +1; a fraction runs the cells in which its generators hold (Box, Hunter and Hunter, 1978).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb
from typing import Annotated, Any, Self

from annotated_types import MinLen
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from augdistill.base.model import AsText, Many
from augdistill.config.base import Group, Text, dotted, wrong

LETTERS = "ABCDEFGHJK"
FRACTIONS = {"1": 0, "1/2": 1, "1/4": 2, "1/8": 3, "1/16": 4, "1/32": 5}  # of all cells -> generators
MOST_SEARCHED = 20_000  # sets of generators of which the best is searched
OF_STUDENTS = ("optim", "distillation", "student", "student_aug")  # groups that change students alone
OF_TEACHERS = ("distillation.teacher", "distillation.teacher_weights")
Overrides = dict[str, Any]
EXAMPLE = {
    "rate": {"low": {"optim.lr": 0.02}, "high": {"optim.lr": 0.05}},
    "clipping": {"low": {"optim.clip_norm": None}, "high": {"optim.clip_norm": 2.0}},
}


def is_factor(name: str) -> str:
    """Return a factor's name, which stands in the names of cells."""
    if not re.fullmatch(r"[A-Za-z][\w-]{0,59}", name):
        raise wrong("a factor's name is letters, digits, _ and -, 60 at most", "", name, "rate")
    return name


FactorName = Annotated[str, AfterValidator(is_factor)]
as_list = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
without_spaces = AfterValidator(lambda words: tuple(word.replace(" ", "").upper() for word in words))
Words = Annotated[Many[Text], as_list, without_spaces]
Strategies = Annotated[Many[Text], as_list, MinLen(1)]


class Factor(Group):
    """A factor of a recipe, each level the values that it changes: dotted key -> value."""

    low: Overrides = Field(examples=[{"optim.lr": 0.02}])
    high: Overrides = Field(examples=[{"optim.lr": 0.05}])

    @model_validator(mode="after")
    def differs(self) -> Self:
        for key in (*self.low, *self.high):
            first = key.partition(".")[0]
            if first not in OF_STUDENTS or "." not in key:
                raise wrong(f"a level has dotted keys of students, below {', '.join(OF_STUDENTS)}", "low", key,
                            {"optim.lr": 0.02})  # fmt: skip
            if key in OF_TEACHERS:
                raise wrong("a factor keeps the teachers, whose scatter all its cells share: make it a grid", "low",
                            key, {"optim.lr": 0.02})  # fmt: skip
        if self.low == self.high:
            raise wrong("it differs from low", "high", self.high, {"optim.lr": 0.05})
        return self

    @property
    def levels(self) -> tuple[str, str]:
        """What the levels are called: by their value where each has one, else low and high."""
        values = [list(level.values()) for level in (self.low, self.high)]
        texts = [str(found[0]) for found in values if len(found) == 1 and not isinstance(found[0], list | dict)]
        is_plain = len(texts) == 2 and list(self.low) == list(self.high) and not re.search("[,=]", "".join(texts))
        return (texts[0], texts[1]) if is_plain else ("low", "high")


class Response(Group):
    """What a cell is asked: the mean of a metric over students of some strategies minus that over others'."""

    metric: Text = "accuracy"
    plus: Strategies | None = Field(default=None, examples=[["mixup", "cutmix"]])
    minus: Strategies | None = Field(default=None, examples=[["baseline"]])


class FactorialDesign(Group):
    """Which share of all combinations is run, by which generators, in which blocks; which interactions are drawn."""

    fraction: Annotated[Text, AsText] | None = Field(default=None, examples=["1/2"])
    generators: Words = Field(default=(), examples=[["D=ABC"]])
    blocks: Words = Field(default=(), examples=[["ABD"]])
    interactions: Words | None = Field(default=None, examples=[["AB"]])
    response: Response = Response()


@dataclass(frozen=True)
class Cell:
    """A combination of levels, -1 or +1 by factor: its name, its block of the design, the values that it changes."""

    name: str
    block: int
    signs: tuple[int, ...]
    overrides: Overrides


@dataclass(frozen=True)
class Factorial:
    """A design with its cells; words are sets of letters as bits, the first factor's the lowest.

    `relation` are the words whose product is +1 in every cell, `of_blocks` those that are the same within every block.
    """

    factors: Mapping[str, Factor]
    cells: tuple[Cell, ...]
    blocks: int
    generators: tuple[str, ...]
    relation: frozenset[int]
    of_blocks: frozenset[int]

    @property
    def letters(self) -> str:
        return LETTERS[: len(self.factors)]

    @property
    def pairs(self) -> list[str]:
        """All two-factor interactions."""
        return ["".join(pair) for pair in combinations(self.letters, 2)]

    @property
    def clear(self) -> list[str]:
        """The two-factor interactions that are no alias of another, of a main effect or of blocks."""
        return [pair for pair in self.pairs if not self.aliases(pair) and not self.is_of_blocks(pair)]

    def aliases(self, word: str) -> list[str]:
        """Return the main effects and two-factor interactions that cannot be told from one of them."""
        same = {as_bits(word) ^ other for other in self.relation}
        return [other for other in (*self.letters, *self.pairs) if as_bits(other) in same]

    def is_of_blocks(self, word: str) -> bool:
        """Return whether an effect is a difference between blocks."""
        return as_bits(word) in self.of_blocks


def as_bits(word: str) -> int:
    """Return a word as bits."""
    return sum(1 << LETTERS.index(letter) for letter in word)


def products(words: Iterable[int]) -> set[int]:
    """Return all products of words, that of none, 0, among them."""
    found = {0}
    for word in words:
        found |= {other ^ word for other in found}
    return found


def factorial(factors: Mapping[str, Factor], design: FactorialDesign) -> Factorial:
    """Return the design of checked factors; raises what a validator does, of a key of the study."""
    if not 2 <= len(factors) <= len(LETTERS):
        raise wrong(f"two to {len(LETTERS)} factors", "factors", list(factors), {})
    letters = LETTERS[: len(factors)]
    generators = generators_of(letters, design)
    made = {word[0]: word[2:] for word in generators}
    relation = products(as_bits(word.replace("=", "")) for word in generators) - {0}
    if len(relation) + 1 < 2 ** len(made) or any(word.bit_count() < 3 for word in relation):
        raise wrong("two main effects could not be told apart", "design.generators", list(generators), ["D=ABC"])
    blocks = blocks_of(letters, design.blocks, relation)
    base = [letter for letter in letters if letter not in made]
    cells = tuple(cell(factors, dict(zip(base, signs, strict=True)), made, design.blocks)
                  for signs in product((-1, 1), repeat=len(base)))  # fmt: skip
    return Factorial(factors, cells, 2 ** len(design.blocks), generators, frozenset(relation), frozenset(blocks))


def cell(factors: Mapping[str, Factor], signs: dict[str, int], made: Mapping[str, str], blocks: Sequence[str]) -> Cell:
    """Return the cell of these levels of the factors that are not made from others."""

    def sign(word: str) -> int:
        return -1 if sum(signs[letter] < 0 for letter in word) % 2 else 1

    signs = signs | {letter: sign(word) for letter, word in made.items()}
    levels = [(name, factor, signs[letter]) for (name, factor), letter in zip(factors.items(), LETTERS, strict=False)]
    name = ",".join(f"{name}={factor.levels[level > 0]}" for name, factor, level in levels)
    block = int("".join("01"[sign(word) > 0] for word in blocks) or "0", 2)
    overrides = {key: value for _, factor, level in levels
                 for key, value in (factor.high if level > 0 else factor.low).items()}  # fmt: skip
    return Cell(name, block, tuple(level for *_, level in levels), overrides)


def generators_of(letters: str, design: FactorialDesign) -> tuple[str, ...]:
    """Return a design's generators, as "F=ABCD"; those with the fewest short words where it names only a fraction."""
    fraction, given = design.fraction, design.generators
    allowed = [name for name, count in FRACTIONS.items() if 2 ** (len(letters) - count) > len(letters)]
    if fraction is not None and fraction not in allowed:
        raise wrong(f"one of {', '.join(allowed)} of {len(letters)} factors", "design.fraction", fraction, "1/2")
    if not given:
        return best_generators(letters, FRACTIONS[fraction or "1"])
    made = [word[0] for word in given]
    for word in given:
        if not re.fullmatch(rf"[{letters}]=[{letters}]{{2,}}", word) or set(word[2:]) & set(made) or repeats(word[2:]):
            raise wrong(f"a generator makes one of the factors {', '.join(letters)} from two or more that none makes",
                        "design.generators", word, ["D=ABC"])  # fmt: skip
    share = next((name for name in allowed if FRACTIONS[name] == len(given)), None)
    if repeats(made) or share is None or (fraction is not None and share != fraction):
        asked = f"{FRACTIONS[fraction]}, for a fraction of {fraction}" if fraction else "each makes another factor"
        raise wrong(f"one for each halving: {asked}", "design.generators", list(given), ["D=ABC"])
    return given


def best_generators(letters: str, count: int) -> tuple[str, ...]:
    """Return the generators of minimum aberration that make the last `count` factors from the others."""
    base, made = letters[: len(letters) - count], letters[len(letters) - count :]
    words = ["".join(some) for size in range(len(base), 1, -1) for some in combinations(base, size)]
    if comb(len(words), count) > MOST_SEARCHED:
        raise wrong(f"{count} generators have to be named for {len(letters)} factors", "design.generators", [],
                    ["D=ABC"])  # fmt: skip

    def aberration(chosen: Sequence[str]) -> list[int]:
        relation = products(as_bits(f"{letter}{word}") for letter, word in zip(made, chosen, strict=True)) - {0}
        lengths = Counter(word.bit_count() for word in relation)
        return [lengths[size] for size in range(1, len(letters) + 1)]

    best = min(combinations(words, count), key=aberration)
    return tuple(f"{letter}={word}" for letter, word in zip(made, best, strict=True))


def blocks_of(letters: str, words: Sequence[str], relation: set[int]) -> set[int]:
    """Return every word that is the same within each block; a main effect among them is refused."""
    for word in words:
        if not re.fullmatch(rf"[{letters}]+", word) or repeats(word):
            raise wrong(f"each a word of the factors' letters, {letters}", "design.blocks", word, ["ABC"])
    between = products(as_bits(word) for word in words) - {0}
    found = {word ^ other for word in between for other in (0, *relation)}
    if len(between) + 1 < 2 ** len(words) or any(word.bit_count() < 2 for word in found):
        raise wrong("they halve the cells each, and no main effect is a difference between blocks", "design.blocks",
                    list(words), ["ABC"])  # fmt: skip
    return found


def repeats(letters: Iterable[str]) -> bool:
    """Return whether one of the letters is there twice."""
    return any(count > 1 for count in Counter(letters).values())


def check_factors(
    factors: Mapping[str, Factor], design: FactorialDesign, blocks: int, strategies: Sequence[str], base: str
) -> None:
    """Raise what a validator does for factors, and a design of them, that a study cannot have."""
    if not factors:
        plain = dotted(FactorialDesign().plain())
        for key, value in dotted(design.plain()).items():
            if value != plain[key]:
                raise wrong(f"study.design.{key} is of factors, which this study lacks", "factors", {}, EXAMPLE)
        return
    keys = [key for factor in factors.values() for key in {**factor.low, **factor.high}]
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise wrong("each key of one factor", "factors", twice[0], {})
    found = factorial(factors, design)
    if blocks % found.blocks:
        raise wrong(f"a multiple of {found.blocks}, the design's blocks", "blocks", blocks, found.blocks)
    for word in design.interactions or ():
        if "".join(sorted(word)) not in found.clear:
            raise wrong(f"interactions that can be told apart: {', '.join(found.clear) or 'none'}",
                        "design.interactions", word, found.clear[:1])  # fmt: skip
    check_response(*sides(design.response, strategies, base), strategies)


def sides(response: Response, strategies: Sequence[str], base: str) -> tuple[list[str], list[str]]:
    """Return the strategies whose students are compared, plus and minus; by default all others, and the base."""
    plus = response.plus if response.plus is not None else [name for name in strategies if name != base]
    return list(plus), list(response.minus if response.minus is not None else [base])


def check_response(plus: Sequence[str], minus: Sequence[str], strategies: Sequence[str]) -> None:
    """Raise what a validator does for a response of strategies that a study lacks, or that compares one with itself."""
    known = [*strategies, "labels"]
    for key, names in (("plus", plus), ("minus", minus)):
        if not names or not set(names) <= set(known) or repeats(names) or (key == "minus" and set(plus) & set(minus)):
            raise wrong(f"strategies of study.aug or labels, each on one side and once: {', '.join(known)}",
                        f"design.response.{key}", list(names), [known[0]])  # fmt: skip
