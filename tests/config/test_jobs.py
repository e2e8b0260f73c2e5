"""Jobs know which model they train, under which strategies; what no validation images can answer is refused."""

from pathlib import Path

import pytest

import core
from augdistill.base.errors import ConfigError
from composed import changed


def test_a_job_says_which_model_it_trains_and_how(tmp_path: Path) -> None:
    words = ("aug=mixup", "teacher.width=6")
    teacher = core.teacher_config(tmp_path, *words)
    student = core.student_config(tmp_path, *words, "aug@student_aug=cutout")
    assert (teacher.kind, teacher.model.name, teacher.own_aug.name) == ("teacher", "resnet18", "mixup")
    assert (student.kind, student.model.name, student.own_aug.name) == ("student", "lenet", "cutout")
    assert (student.teacher, student.aug) == (teacher.teacher, teacher.aug)


@pytest.mark.parametrize("key", ["optim", "teacher_optim"])
def test_an_accuracy_to_stop_at_needs_images_to_watch(key: str, tmp_path: Path) -> None:
    config = core.student_config(tmp_path)
    assert config.dataset.validation > 0
    watching = changed(config, {f"{key}.stop_accuracy": 0.5})
    assert getattr(watching, key).stop_accuracy == 0.5
    with pytest.raises(ConfigError, match=rf"^{key}\.stop_accuracy=0\.5 is out of range: it needs images to watch"):
        changed(watching, {"dataset.validation": 0})
