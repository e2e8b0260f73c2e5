"""A factorial study from its plan to its page: cells, effects, tables, figures and the answer."""

from itertools import product
from statistics import fmean

import pytest

import saved_studies
from augdistill.base.errors import ConfigError
from augdistill.report.command import write_report
from augdistill.results.cells import Cells, arm
from augdistill.results.factorial import factorial_results
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


@pytest.mark.slow
def test_the_page_asks_and_answers_its_question(outputs):
    page, (answer,) = write_report(["tiny"], outputs)
    text = page.read_text()
    assert "Which factor of the recipe makes the effect?" in text
    assert 'id="figure-effect"' in text
    assert 'id="figure-interactions"' in text
    assert "shown to make it on Digits" in answer or "makes it" in answer


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
