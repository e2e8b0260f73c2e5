"""What evaluations under shift share: who is refused, which images are looked at, what is found again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augdistill.base.errors import ConfigError, DataError, RunError
from augdistill.config.jobs import ShiftConfig
from augdistill.config.shift import Attack, Corruptions, Unknown
from augdistill.stages import run_job, shift
from augdistill.store.runs import Run

MADE = Corruptions(name="made", severities=(2,), images=30)


def job(run: Run, under: Corruptions | Attack | Unknown, **more: Any) -> ShiftConfig:
    return ShiftConfig(run=run.path.name, outputs=str(run.path.parents[1]), under=under, **more)


@pytest.mark.slow
def test_the_same_question_is_answered_once(subjects):
    config = job(subjects["control"], MADE)
    made = shift.run(config)
    assert made.kind == "shift"
    assert made.shift.test_set == "digits-test+made-corruptions"
    assert made.shift.accuracy == json.loads((made.path / "metrics.json").read_text())["scalars"]["accuracy"]
    assert "are not the published" in made.manifest.provenance.notes[-1]
    again = run_job({"kind": "shift", "config": config.plain(), "id": made.id})
    assert again.path == made.path
    other = job(subjects["control"], MADE.model_copy(update={"severities": (3,)}))
    assert shift.run(other).path != made.path


def test_rows_are_the_same_for_all_and_each_class_alike():
    labels = np.arange(100) % 4
    rows = shift.chosen_rows(labels, 20)
    assert np.bincount(labels[rows]).tolist() == [5, 5, 5, 5]
    assert np.array_equal(rows, shift.chosen_rows(labels, 20))
    assert len(shift.chosen_rows(labels, None)) == len(shift.chosen_rows(labels, 1000)) == 100


def test_what_holds_no_model_is_refused(subjects, tmp_path):
    made = shift.run(job(subjects["control"], MADE))
    with pytest.raises(RunError, match="holds no model: name a teacher or a student"):
        shift.run(job(made, MADE))
    with pytest.raises(RunError, match="no run is called"):
        shift.run(ShiftConfig(run="nobody", outputs=str(tmp_path), under=MADE))


def test_a_teacher_known_by_its_outputs_is_refused(subjects, monkeypatch):
    run = subjects["teacher"]
    files = {name: value for name, value in run.manifest.files.items() if name != "weights.safetensors"}
    known = Run(run.path, run.manifest.model_copy(update={"files": files}))
    monkeypatch.setattr("augdistill.store.runs.RunStore.get", lambda store, name: known)
    with pytest.raises(RunError, match="known by its outputs alone"):
        shift.run(job(run, Attack(name="pgd")))


def test_images_that_are_not_there_or_not_about_the_data_are_refused(subjects):
    run = subjects["control"]
    for under, kind, said in (
        (Corruptions(name="cifar10-c"), ConfigError, "is about cifar10, not digits: .*corruptions=made"),
        (Unknown(name="digits"), ConfigError, "classes that the model knows"),
        (Unknown(name="mnist"), DataError, "mnist is not in"),
    ):
        with pytest.raises(kind, match=said) as refused:
            shift.run(job(run, under, root=str(Path(run.path, "nowhere"))))
        assert "\n" not in str(refused.value)
