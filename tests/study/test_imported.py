"""An imported teacher is an arm of a study: its students in every block, one teacher, no evaluation it cannot have."""

from collections import Counter

import numpy as np
import pytest

from augdistill.base.errors import ConfigError, RequestError, RunError
from augdistill.config.checking import typed
from augdistill.config.commands import ImportTeacherCommand
from augdistill.config.jobs import DatasetAt
from augdistill.stages import common, imported
from augdistill.study.plan import make_plan
from composed import compose, study

WORDS = ("study=tiny", "study.imported=[theirs]", "study.blocks=2")


def import_logits(outputs, *words):
    """Import logits of the tiny study's training images that are right for nine of ten."""
    config = typed(ImportTeacherCommand, compose("import-teacher", "dataset=digits", f"outputs={outputs}",
                   "name=theirs", f"predictions={outputs.parent}/logits.npy", *words))  # fmt: skip
    labels = np.array(common.dataset_images(DatasetAt(config.dataset, config.outputs)).labels)
    said = np.where(np.arange(len(labels)) % 10 == 0, (labels + 1) % 10, labels)
    np.save(outputs.parent / "logits.npy", 4 * np.eye(10)[said])
    return imported.run(config)


def same_data(outputs):
    """Return the words by which the import's data set is that of the tiny study."""
    dataset = study(outputs, "study=tiny").study.dataset
    return [f"dataset.size={dataset.parameters()['size']}", f"dataset.validation={dataset.validation}"]


def test_it_has_students_in_every_block_and_one_teacher(tmp_path):
    outputs = tmp_path / "outputs"
    run = import_logits(outputs, *same_data(outputs))
    plan = make_plan(study(outputs, *WORDS))
    own = [stage for stage in plan.stages if stage.arm["teacher_aug"] == "theirs"]
    kinds = Counter(stage.kind for stage in own)
    students = len(plan.study.students) * 2 * plan.study.students_per_teacher
    assert kinds["student"] == students
    assert (kinds["teacher"], kinds["outputs"]) == (1, 1)
    (teacher,) = [stage for stage in own if stage.kind == "teacher"]
    assert teacher.id == run.id
    evaluated = [stage.config.run for stage in plan.stages if stage.kind == "evaluation"]
    assert run.path.name not in evaluated
    outputs_of = next(stage for stage in own if stage.kind == "outputs")
    assert all(outputs_of.id in stage.parents for stage in own if stage.kind == "student")
    plain = make_plan(study(outputs, "study=tiny", "study.blocks=2"))
    assert [stage.id for stage in plain.stages] == [stage.id for stage in plan.stages if stage not in own
            and stage.arm["teacher_aug"] != "theirs"]  # fmt: skip


def test_what_it_cannot_be_is_refused(tmp_path):
    outputs = tmp_path / "outputs"
    with pytest.raises(RunError, match="no run is called theirs"):
        make_plan(study(outputs, *WORDS))
    import_logits(outputs, *same_data(outputs))
    with pytest.raises(RequestError, match="asks theirs about augmented images"):
        make_plan(study(outputs, *WORDS, "study.student_aug=[baseline,cutmix]"))
    with pytest.raises(RunError, match="was imported for other data"):
        make_plan(study(outputs, *WORDS, "study.dataset.validation=7"))
    with pytest.raises(ConfigError, match="baseline is a strategy of this study, too"):
        study(outputs, "study=tiny", "study.imported=[baseline]")
