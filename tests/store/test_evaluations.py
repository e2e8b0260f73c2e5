"""What an evaluation was made from, by manifests alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from augdistill.base.errors import RunError
from augdistill.store.evaluations import evaluated_run, sibling, sources, teacher_evaluation, teacher_of
from augdistill.store.runs import Run, RunStore
from core import rewrite_manifest


@pytest.fixture
def store(tiny_study: Path, tmp_path: Path) -> RunStore:
    """A copy of the tiny study's runs."""
    shutil.copytree(tiny_study / "runs", tmp_path / "runs")
    return RunStore(tmp_path)


def evaluation(store: RunStore, of: str) -> Run:
    """Return the evaluation of a run whose name begins so."""
    return next(run for run in store.all("evaluation") if run.manifest.config["run"].startswith(of))


def test_a_distilled_students_evaluation_leads_to_its_teachers(store: RunStore) -> None:
    found = evaluation(store, "student-digits-lenet-cutmix")
    student = evaluated_run(found, store)
    assert student == store.get(found.manifest.config["run"])
    teacher = teacher_of(student, store)
    assert teacher is not None
    assert teacher.path.name.startswith("teacher-digits-resnet18-cutmix-")
    of_teacher = teacher_evaluation(found, store)
    assert of_teacher == evaluation(store, teacher.path.name)
    assert sibling(found, store, teacher.id) == of_teacher
    assert sibling(found, store, teacher.id, normalisation="own") is None
    assert sibling(found, store, teacher.id, data="of other images") is None


def test_teachers_and_students_on_labels_have_no_teacher(store: RunStore) -> None:
    for kind in ("teacher", "student-digits-lenet-labels"):
        found = evaluation(store, kind)
        assert teacher_of(evaluated_run(found, store), store) is None
        assert teacher_evaluation(found, store) is None
        assert sources(found, store) == {"labels", "embeddings"}


def test_what_metrics_can_be_computed_from_is_what_is_there(store: RunStore) -> None:
    found = evaluation(store, "student-digits-lenet-cutmix")
    assert sources(found, store) == {"labels", "embeddings", "teacher"}
    assert sources(store.all("outputs")[0], store) == {"labels", "outputs"}
    store.remove(teacher_evaluation(found, store).path)
    assert sources(found, store) == {"labels", "embeddings"}
    (found.path / "predictions.npz").unlink()
    assert sources(found, store) == {"labels"}
    against_people = replace(found, manifest=found.manifest.model_copy(update={"files": {}}))
    assert sources(against_people, store) == {"labels", "human"}
    store.remove(evaluated_run(found, store).path)
    assert evaluated_run(found, store) is None


def test_only_a_teacher_can_be_one(store: RunStore) -> None:
    student = evaluated_run(evaluation(store, "student-digits-lenet-cutmix"), store)
    made_from = {**student.manifest.provenance.plain(), "parents": {"teacher": student.path.name}}
    rewrite_manifest(student, provenance=made_from)
    with pytest.raises(RunError, match=r"has student-.* for a teacher, which is none: augdistill runs remove student-"):
        teacher_of(store.get(student.path.name), store)
    rewrite_manifest(student, provenance={**made_from, "parents": {"teacher": "teacher-removed"}})
    assert teacher_of(store.get(student.path.name), store) is None
