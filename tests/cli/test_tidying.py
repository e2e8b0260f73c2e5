"""`augdistill gc`: what no study needs and no tag keeps, and nothing else."""

import json
from pathlib import Path

import pytest

import saved_studies
from augdistill.base.errors import AugdistillError
from augdistill.cli.tidying import collected, unneeded
from augdistill.store.runs import RunStore
from augdistill.store.tags import tag


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """The runs of two studies that share none but the control's and its evaluation; one study was removed since."""
    saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=1")
    saved_studies.write_study(tmp_path, "study=tiny", "study.name=gone", "study.blocks=1", "study.teacher.width=8")
    (tmp_path / "studies" / "gone" / "plan.json").unlink()
    return RunStore(tmp_path)


def test_what_is_in_a_plan_stays_and_the_rest_is_told(store: RunStore) -> None:
    plan = json.loads((store.outputs / "studies/tiny/plan.json").read_text())
    planned = {stage["id"] for stage in plan["stages"]}
    found = unneeded(store)
    assert {run.id for run in found} == {run.id for run in store.all()} - planned
    kinds = [run.kind for run in found]
    assert set(kinds) == {"teacher", "outputs", "student", "evaluation"}
    told = collected(store, remove=False)
    assert len(store.all()) == len(planned) + len(found)  # nothing is removed yet
    assert told.splitlines()[-1].startswith(f"{len(found)} runs, ")
    assert told.splitlines()[-1].endswith(": augdistill gc remove=true removes them")


def test_no_run_is_removed_before_what_came_from_it(store: RunStore) -> None:
    order = [run.id for run in unneeded(store)]
    for run in unneeded(store):
        for parent in run.manifest.document.parents.values():
            assert parent not in order or order.index(run.id) < order.index(parent)
    collected(store, remove=True)
    assert unneeded(store) == []
    assert collected(store, remove=False).endswith("is needed by a study, or has a tag")


def test_a_tag_keeps_a_run_its_teacher_and_its_evaluation(store: RunStore) -> None:
    student = next(run for run in unneeded(store) if run.kind == "student")
    tag(store.outputs, "mine", student.id)
    kept = {run.id for run in store.all()} - {run.id for run in unneeded(store)}
    assert {student.id, *student.manifest.document.parents.values()} <= kept
    (evaluation,) = (run for run in store.all("evaluation") if run.manifest.document.parents["run"] == student.id)
    assert evaluation.id in kept


def test_a_plan_that_cannot_be_read_lets_nothing_be_removed(store: RunStore) -> None:
    (store.outputs / "studies/gone/plan.json").write_text("{")
    before = len(store.all())
    with pytest.raises(AugdistillError, match="augdistill study gone writes it again; gc waits for that"):
        collected(store, remove=True)
    assert len(store.all()) == before
