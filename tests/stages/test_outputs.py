"""Teacher outputs are its logits on clean images in their order, proven by a checksum."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from augdistill.base.errors import RunError
from augdistill.stages import outputs, run_job, student, teacher
from augdistill.store.runs import Run, RunStore
from composed import changed
from core import (
    flip_bit,
    fold,
    load_teacher,
    student_config,
    teacher_config,
)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder with a teacher on baseline; its outputs may be added."""
    return teacher.run(teacher_config(tmp_path_factory.mktemp("taught"))).path.parents[1]


def teacher_run(folder: Path) -> Run:
    (found,) = RunStore(folder).all("teacher")
    return found


def test_teacher_outputs_are_its_logits_on_clean_images_in_their_order(taught: Path) -> None:
    run = teacher_run(taught)
    config = student_config(taught)
    made = outputs.run(config, run)
    data, _ = fold(run)
    stored = outputs.logits(config, made)
    assert stored.dtype == np.float32
    live = load_teacher(run)((data.images / 255 - data.mean) / data.std)[0]
    np.testing.assert_allclose(stored, live.numpy(), atol=1e-4)
    assert run_job({"kind": "outputs", "config": config.plain()}).id == made.id
    assert made.manifest.document.parents == {"teacher": run.id}
    again = outputs.run(config, run)
    assert (again.id, again.manifest.provenance.ended) == (made.id, made.manifest.provenance.ended)
    untrained = outputs.run(changed(config, {"distillation.teacher_weights": "untrained"}), run)
    assert untrained.id != made.id
    assert not np.allclose(outputs.logits(config, untrained), stored, atol=0.1)


def test_damaged_teacher_outputs_are_refused(taught: Path, tmp_path: Path) -> None:
    shutil.copytree(taught / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("student-*"))
    made = outputs.run(student_config(tmp_path), teacher_run(tmp_path))
    flip_bit(made.path / "logits.npy")
    with pytest.raises(RunError, match=r"logits.npy is damaged"):
        student.run(student_config(tmp_path))
    assert not RunStore(tmp_path).all("student")
