"""Factorial designs: their cells, blocks and aliases against the printed ones, and every wrong value in one line."""

import pytest

from augdistill.base.errors import ConfigError
from augdistill.config.factors import Factor, FactorialDesign, best_generators, factorial
from composed import study

CELLS = """
-----++ --+-+-- -+-+-++ -++++-- +--+++- +-++--+ ++--++- +++---+
----++- --+---+ -+-+++- -+++--+ +--+-++ +-+++-- ++---++ +++-+--
---+--- --+++++ -+----- -++-+++ +---+-+ +-+--+- ++-++-+ ++++-+-
---++-+ --++-+- -+--+-+ -++--+- +------ +-+-+++ ++-+--- +++++++
"""
"""by block, as they were chosen for cifar10-factors"""
TWO = "+study.factors={rate: {low: {optim.lr: 0.02}, high: {optim.lr: 0.05}}, %s}"
OTHER = "soft: {low: {distillation.temperature: 4}, high: {distillation.temperature: 20}}"


def test_the_fraction_of_cifar10_factors_is_the_one_that_was_chosen(tmp_path):
    asked = study(tmp_path, "study=cifar10-factors").study
    design = factorial(asked.factors, asked.design)
    found = [
        " ".join("".join("-+"[sign > 0] for sign in cell.signs) for cell in design.cells if cell.block == block)
        for block in range(4)
    ]
    assert found == CELLS.strip().splitlines()
    assert set(design.pairs) - set(design.clear) == {"CE", "FG", "CF", "EG", "CG", "EF"}
    assert (design.aliases("CE"), design.aliases("A")) == (["FG"], [])
    assert design.is_of_blocks("CF")
    assert not design.is_of_blocks("AB")
    assert design.cells[0].name.startswith("student-rate=0.02,stabilised=low,temperature=4,alpha=0.5,")
    assert design.cells[0].overrides["optim.clip_norm"] is None


def test_generators_of_a_fraction_are_those_of_least_aberration():
    assert best_generators("ABCD", 1) == ("D=ABC",)
    assert best_generators("ABCDE", 1) == ("E=ABCD",)
    factors = {letter: Factor(low={f"optim.{letter}": 0}, high={f"optim.{letter}": 1}) for letter in "ABCDEFG"}
    design = factorial(factors, FactorialDesign(fraction="1/4"))  # resolution IV, Box, Hunter and Hunter's table 12.15
    assert sorted(word.bit_count() for word in design.relation) == [4, 5, 5]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((TWO % "b: {low: {}, high: {}}",), r"study\.factors\.b\.high=.* it differs from low"),
        ((TWO % "b: {low: {}, high: {optim.lr: 1}}",), r"study\.factors=optim\.lr .* each key of one factor"),
        ((TWO % "b: {low: {}, high: {teacher.width: 8}}",), r"study\.factors\.b\.low=teacher\.width .* of students"),
        ((TWO % "b: {low: {}, high: {distillation.teacher_weights: x}}",), r"make it a grid"),
        ((TWO % "b: {low: {}}",), r"study\.factors\.b\.high is missing"),
        ((TWO % "b: {low: {}, high: {}, x: 1}",), r"study\.factors\.b\.x is not a config key"),
        (("+study.factors={a: {low: {}, high: {optim.lr: 1}}}",), "two to 10 factors"),
        ((TWO % OTHER, "study.grids=[{optim.lr: [1]}]"), "factors or grids, not both"),
        ((TWO % OTHER, "study.design.fraction=1/3"), r"study\.design\.fraction=1/3 .* one of 1 of 2 factors"),
        ((TWO % OTHER, "study.design.generators=['C=AB']"), r"study\.design\.generators=C=AB"),
        ((TWO % OTHER, "study.design.blocks=[A]"), r"study\.design\.blocks=.* no main effect"),
        ((TWO % OTHER, "study.design.blocks=[AX]"), r"study\.design\.blocks=AX"),
        ((TWO % OTHER, "study.design.blocks=[AB]", "study.blocks=3"), r"study\.blocks=3 .* a multiple of 2"),
        ((TWO % OTHER, "study.design.interactions=[AC]"), r"study\.design\.interactions=AC .* told apart: AB"),
        ((TWO % OTHER, "study.design.response.plus=[mixup]"), r"study\.design\.response\.plus=.*baseline, cutmix"),
        ((TWO % OTHER, "study.design.response.minus=cutmix"), r"study\.design\.response\.minus="),
        (("study.design.blocks=[AB]",), "study.design.blocks is of factors, which this study lacks"),
    ],
)
def test_factors_that_cannot_be_are_refused_in_one_line(words, told, tmp_path):
    with pytest.raises(ConfigError, match=told) as raised:
        study(tmp_path, "study=tiny", *words)
    assert "\n" not in str(raised.value)
