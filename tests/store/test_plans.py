"""plan.json as reports read it: what was written stays beside what is asked, and nothing is looked up."""

import json
from typing import Any

import pytest

import saved_studies
from augdistill.base.model import validated
from augdistill.store.plans import SavedPlan


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The plan of a tiny study, as it was saved."""
    outputs = tmp_path_factory.mktemp("plan")
    saved_studies.write_study(outputs, "study=tiny", "study.claims=[1]", statuses={"": "missing"})
    found: dict[str, Any] = json.loads((outputs / "studies" / "tiny" / "plan.json").read_text())
    return found


def test_a_plan_is_read_and_its_study_stays_as_it_was_written(document: dict[str, Any]) -> None:
    plan = validated(SavedPlan, document)
    assert plan.study.written == document["study"]
    assert plan.study.aug == ("baseline", "cutmix")
    assert plan.study.claims == ("1",)
    assert [stage.id for stage in plan.stages] == [stage["id"] for stage in document["stages"]]


def test_a_stage_is_about_the_run_that_it_makes_or_evaluates(document: dict[str, Any]) -> None:
    stages = validated(SavedPlan, document).stages
    folders = {stage.folder for stage in stages}
    for stage, written in zip(stages, document["stages"], strict=True):
        evaluated = written["job"]["config"].get("run")
        assert stage.about == (evaluated or stage.folder)
        assert stage.about in folders
        assert (evaluated is not None) == (stage.kind == "evaluation")


@pytest.mark.parametrize(("dead_units", "keeps"), [("keep", True), ("collapsed", False), (None, True)])
def test_dead_units_are_kept_unless_a_study_says_so(document: dict[str, Any], dead_units, keeps: bool) -> None:
    others = {key: value for key, value in document["study"].items() if key != "dead_units"}
    study = others if dead_units is None else {**others, "dead_units": dead_units}
    assert validated(SavedPlan, {**document, "study": study}).study.keeps_dead_units is keeps


@pytest.mark.parametrize("key", ["study", "claims"])
def test_a_plan_that_asks_for_values_from_elsewhere_is_refused(key: str, document: dict[str, Any]) -> None:
    changed = {**document, key: {**(document.get(key) or {}), "note": [{"x": "a ${oc.env:HOME}"}]}}
    with pytest.raises(ValueError, match=r"^it asks for values from elsewhere, with \$\{\.\.\.\}"):
        validated(SavedPlan, changed)
