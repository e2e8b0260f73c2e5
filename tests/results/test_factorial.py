"""A factorial study from its plan to its page: cells, effects, tables, figures and the answer."""

import math
from dataclasses import replace
from itertools import product
from statistics import fmean

import numpy as np
import pytest

import saved_studies
from augdistill.base.errors import ConfigError
from augdistill.config.factors import LETTERS, factorial
from augdistill.report.command import write_report
from augdistill.report.page.factors import factors_answer
from augdistill.report.tables.factors import absent
from augdistill.results.cells import Cells, arm
from augdistill.results.factorial import Response, estimable, factorial_results
from augdistill.results.labels import number
from augdistill.study.plan import make_plan
from composed import study
from factor_studies import FACTORS, write_factors


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    outputs = tmp_path_factory.mktemp("factors")
    write_factors(outputs)
    return outputs


def test_effects_are_differences_of_the_cells_means(outputs):
    saved = saved_studies.SavedStudy.load("tiny", outputs)
    cells = Cells(saved)
    found = factorial_results(saved, cells)
    by_cell = {}
    for rate, soft in product((0.02, 0.05), (4, 20)):
        name = f"rate={rate},soft={soft}"
        sides = [
            cells.blocks(arm("student", "lenet", aug, variant=name), "accuracy", "digits-test")
            for aug in ("cutmix", "baseline")
        ]
        by_cell[rate, soft] = fmean(100 * (sides[0][block] - sides[1][block]) for block in (0, 1))
    high, low = ([value for (rate, _), value in by_cell.items() if rate == one] for one in (0.05, 0.02))
    assert found.main[0].value == pytest.approx(fmean(high) - fmean(low))
    assert [effect.word for effect in (*found.main, *found.interactions)] == ["A", "B", "AB"]
    assert found.fitted.df == 8 - 2 - 3
    assert found.means("AB")[1, -1] == pytest.approx(by_cell[0.05, 4])
    assert found.main[0].low < found.main[0].value < found.main[0].high


def test_without_some_responses_the_model_keeps_the_interactions_that_the_study_names(tmp_path):
    asked = study(tmp_path, "study=cifar10-factors").study
    design = factorial(asked.factors, asked.design)
    effects = np.array([0.5, -1.0, 0.0, 2.0, 0.0, 1.5, 0.0])

    def response(cell):
        signs = np.array(cell.signs)
        return Response(cell, cell.block, float(cell.block + signs @ effects / 2 + 0.4 * signs[0] * signs[4]))

    everything = [response(cell) for cell in design.cells]
    words, found = estimable(design, everything, asked.design.interactions)
    assert words == [*design.letters, *design.clear]
    np.testing.assert_allclose(found.effects.value[:7], effects, atol=1e-12)
    b, f = map(LETTERS.index, "BF")
    unstable = [one for one in everything if one.cell.signs[b] < 0 and one.cell.signs[f] > 0]
    kept = [one for one in everything if one not in unstable[:5]]
    words, found = estimable(design, kept, asked.design.interactions)
    assert words == [*design.letters, "AB", "AE", "BE"]
    np.testing.assert_allclose(found.effects.value, [*effects, 0, 0.8, 0], atol=1e-12)
    assert found.df == 27 - 4 - 10
    assert estimable(design, kept, [])[0] == [*design.letters]


def test_what_cells_without_a_response_have_in_common_is_told(outputs):
    saved = saved_studies.SavedStudy.load("tiny", outputs)
    cells = Cells(saved)
    found = factorial_results(saved, cells)
    some = [one for one in found.responses if one.cell.name.startswith("rate=0.05")]
    gone = replace(found, responses=tuple(replace(one, value=math.nan) if one in some else one for one in some))
    assert absent(gone) == (
        "4 of 4 cells have no response: students collapsed, diverged or are missing. All of them have rate 0.05."
    )
    whole = [response.value for response in found.responses]
    low, high = (number(value, 2, signed=True) for value in (min(whole), max(whole)))
    assert factors_answer(saved, cells)[2][0].endswith(f"over the cells it went from {low} to {high} points.")


@pytest.mark.slow
def test_the_page_asks_and_answers_its_question(outputs):
    page, (answer,) = write_report(["tiny"], outputs)
    text = page.read_text()
    assert "Which factor of the recipe makes the effect?" in text
    assert 'id="figure-effect"' in text
    assert 'id="figure-interactions"' in text
    assert 'id="verdicts"' not in text  # no claims, no table of them
    assert "shown to change the effect on Digits" in answer or "changes the effect" in answer


def test_cells_share_controls_and_teachers_and_run_in_their_own_blocks(tmp_path):
    plan = make_plan(study(tmp_path, "study=tiny", "study.blocks=2", "study.design.blocks=[AB]", FACTORS))
    trained = [stage for stage in plan.stages if stage.kind in ("teacher", "student")]
    assert sum(stage.kind == "teacher" for stage in trained) == 2 * 2
    students = [stage.arm for stage in trained if stage.arm["role"] == "student"]
    assert {(place["block"], place["variant"]) for place in students} == {
        (0, "rate=0.02,soft=20"), (0, "rate=0.05,soft=4"), (1, "rate=0.02,soft=4"), (1, "rate=0.05,soft=20"),
    }  # fmt: skip
    assert sum(stage.arm["role"] == "control" for stage in trained) == 2 * 2  # the temperature is not theirs


def test_a_level_that_no_student_can_have_is_refused(tmp_path):
    wrong = FACTORS.replace("0.05", "-1")
    with pytest.raises(ConfigError, match=r"^study\.factors, the cell rate=-1,soft=4: optim\.lr=-1 is out of range"):
        make_plan(study(tmp_path, "study=tiny", wrong))
    with pytest.raises(ConfigError, match=r"study\.design\.response\.metric"):
        make_plan(study(tmp_path, "study=tiny", FACTORS, "study.design.response.metric=acuracy"))
