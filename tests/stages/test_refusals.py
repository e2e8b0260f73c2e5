"""What cannot be trained is refused before any work, in the words that were typed."""

from pathlib import Path

import pytest

import saved_studies
from augdistill.base.errors import ConfigError, DataError, ModelError, RequestError
from augdistill.stages import teacher
from augdistill.stages.refusals import another, validate, validate_choices
from augdistill.study.arms import student_jobs
from composed import changed
from core import student_config, teacher_config
from data_files import pixels, write_image

SMALL = ("teacher=resnet18", "teacher.width=4", "dataset=digits", "dataset.size=8", "dataset.validation=0")


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
        teacher.run(teacher_config(tmp_path, *words))
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
    validate_choices(config.study, choices)
    wrong = [changed(choice, {key: value}) for choice in choices if choice.aug.ops]
    with pytest.raises(RequestError, match=message):
        validate_choices(config.study, wrong)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch", [1, 359])
def test_a_last_batch_of_one_is_refused_where_batch_norm_would_see_one_value(batch, precision, tmp_path: Path) -> None:
    """A ResNet18 halves its images three times: of 8 x 8 one value a channel is left. 359 x 4 + 1 = 1,437 digits."""
    words = (*SMALL, f"optim.batch_size={batch}", f"runtime.precision={precision}")
    with pytest.raises(ModelError, match=rf"images in batches of {batch} leave one: type optim\.batch_size=") as raised:
        validate(teacher_config(tmp_path, *words))
    assert [*tmp_path.iterdir()] == []  # no packed digits either
    advised = int(str(raised.value).split("optim.batch_size=")[1].split(",")[0])
    validate(teacher_config(tmp_path, *SMALL, f"optim.batch_size={advised}", f"runtime.precision={precision}"))


def test_a_last_batch_of_one_is_no_matter_for_larger_images_or_without_batch_norm(tmp_path: Path) -> None:
    recipe = ("dataset.validation=0", "optim.batch_size=359")
    larger = teacher_config(tmp_path, *SMALL, "dataset.size=16", *recipe)
    plain = student_config(tmp_path, "dataset.size=28", "student=lenet", *recipe)
    assert [validate(config).count % 359 for config in (larger, plain)] == [1, 1]


@pytest.mark.parametrize("damage", ["class", "corrupt"])
def test_a_damaged_test_split_is_found_before_training(damage: str, tmp_path: Path, monkeypatch) -> None:
    root = tmp_path / "images"
    for seed, (split, name) in enumerate((split, name) for split in ("train", "test") for name in "ab" for _ in "12"):
        write_image(root / split / name / f"{seed}.png", pixels(25, 25, 3, seed=seed))
    for path in (root / "test" / "b").iterdir():
        if damage == "class":
            path.unlink()
        else:
            path.write_bytes(b"no image")
    monkeypatch.setattr(teacher, "fit", None)  # training would be a TypeError
    config = teacher_config(
        tmp_path / "outputs", "dataset=image-folder", f"dataset.path={root}", "dataset.validation=0"
    )
    with pytest.raises(DataError, match="test"):
        teacher.run(config)
    assert not list((tmp_path / "outputs").glob("runs/*/weights*"))
