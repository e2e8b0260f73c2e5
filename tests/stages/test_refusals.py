"""What cannot be trained is refused before any work, in the words that were typed."""

from pathlib import Path

import pytest

import saved_studies
from augdistill.base.errors import ConfigError, ModelError, RequestError
from augdistill.stages import teacher
from augdistill.stages.refusals import another, refuse, refuse_choices
from augdistill.study.arms import student_jobs
from composed import changed
from core import teacher_config as configured


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("aug=mixup", "aug.ops.mixup.alpha=-1"), ConfigError, "aug.ops.mixup.alpha=-1.0 is out of range"),
        (("dataset.size=7",), ConfigError, "dataset.size=7 is out of range: 8 to 256 pixels"),
        (("teacher.width=0",), ConfigError, "width=0 is out of range"),
        (
            ("dataset.validation=1437",),
            ConfigError,
            "validation=1437 is out of range: fewer than its 1,437 images",
        ),
        (("dataset.mean=[0.5,0.5]", "dataset.std=[1,1]"), ConfigError, "has 2 values for 1 channels"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_run(words, error, message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        teacher.run(configured(tmp_path, *words))
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("count", [2, 3, 5, 33, 100, 101])
def test_another_batch_size_is_the_nearest_that_leaves_no_image_alone(count: int) -> None:
    for batch in range(1, 2 * count):
        found = another(batch, count)
        assert count % found != 1
        assert all(
            count % size == 1
            for size in range(max(2, batch - abs(found - batch) + 1), min(batch + abs(found - batch), count + 1))
        )


def test_a_batch_of_one_image_is_refused_where_batch_norm_sees_one_value(tmp_path: Path) -> None:
    words = ("dataset.size=8", "dataset.validation=0")
    assert 1437 % 4 == 1
    with pytest.raises(
        ModelError, match=r"cannot train on a batch of one image of 8 x 8.* optim\.batch_size=5, or a lar"
    ):
        refuse(configured(tmp_path, *words, "optim.batch_size=4"))
    for fitting in ((*words, "optim.batch_size=5"), ("dataset.size=16", "dataset.validation=0", "optim.batch_size=4")):
        assert refuse(configured(tmp_path, *fitting)).count == 1437


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("student", {"name": "resnet18", "width": 2000}, r"^study\.students\.resnet18\.width=2000 is out of range"),
        ("dataset.validation", 1437, r"^study\.dataset\.validation=1437 is out of range"),
        ("teacher.width", 2000, r"^study\.teacher\.width=2000 is out of range"),
        ("aug.ops.mixup.alpha", -1.0, r"^study\.ops\.mixup\.alpha=-1\.0 is out of range"),
    ],
)
def test_a_study_is_refused_in_the_words_of_its_keys(key: str, value: object, message: str, tmp_path: Path) -> None:
    config = saved_studies.study(tmp_path, "study=tiny", "study.aug=[baseline,mixup]")
    choices = [student.config for student in student_jobs(config, {})]
    refuse_choices(config.study, choices)
    wrong = [changed(choice, {key: value}) for choice in choices if choice.aug.ops]
    with pytest.raises(RequestError, match=message):
        refuse_choices(config.study, wrong)
