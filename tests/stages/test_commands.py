"""What a message tells people to type does what it says."""

import re
from pathlib import Path

import pytest

from augdistill.base.errors import RunError
from augdistill.config.checking import check
from augdistill.stages import names, student, teacher
from augdistill.store.identity import teacher_of, teacher_ref
from augdistill.store.runs import RunStore
from core import student_config, teacher_config, typed


def refused(config: dict) -> str:
    """Return what is said of a student whose teacher is not there."""
    with pytest.raises(RunError) as raised:
        student.run(config)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder with one teacher of one epoch."""
    folder = tmp_path_factory.mktemp("taught")
    teacher.run(teacher_config(folder, "optim.epochs=1", "aug=[flip-crop,mixup]", "seed=1"))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("aug=cutmix", "seed=3"),
        ("aug=[flip-crop,cutmix]", "seed=3", "teacher_seed=5"),
        ("aug=[cutmix,flip-crop]", "aug.ops.flip-crop.padding=0.25", "aug.ops.cutmix.scope=sample"),
        ("aug=mixup", "aug.ops.mixup.alpha=0.2", "aug.ops.mixup.prob=0.125"),
        ("teacher_optim.schedule=multistep", "teacher_optim.milestones=[1,2]", "teacher_optim.gamma=0.2"),
        ("teacher_optim.clip_norm=2", "teacher_optim.nesterov=false", "teacher_optim.weight_decay=1e-05"),
        ("teacher_optim.lr=0.03", "teacher_optim.warmup_epochs=0.5", "teacher_optim.select=best-test"),
        ("dataset.size=20", "dataset.channels=3", "dataset.mean=[0.1,0.2,0.3]", "dataset.std=[0.5,0.5,0.5]"),
        ("runtime.precision=auto", "teacher.width=6"),
        ("runtime.precision=bf16", "student=resnet18", "student.width=5", "optim.lr=0.2"),
        ("optim@teacher_optim=alexnet",),
    ],
    ids=" ".join,
)
def test_the_command_in_the_message_makes_exactly_the_missing_teacher(words: tuple[str, ...], tmp_path: Path) -> None:
    config = student_config(tmp_path / "outputs", *words)
    message = refused(config)
    command = message.split("is not there yet; make it with: ")[1]
    made, wanted = check("teacher", typed(command)), teacher_of(check("student", config))
    fingerprint = names.dataset_header(wanted).fingerprint
    assert teacher_ref(made, fingerprint) == teacher_ref(wanted, fingerprint)
    assert {key: made[key] for key in ("outputs", "dataset")} == {key: wanted[key] for key in ("outputs", "dataset")}
    assert not (tmp_path / "outputs" / "runs").exists()


@pytest.mark.parametrize("name", ["with space", "it's", "a=b", "a,b", "[x](y)", "#1", "back\\slash"])
def test_it_does_so_wherever_the_outputs_are(name: str, tmp_path: Path) -> None:
    config = student_config(tmp_path / name)
    command = refused(config).split("make it with: ")[1]
    assert typed(command)["outputs"] == config["outputs"]


def test_following_the_message_makes_the_student_possible(tmp_path: Path) -> None:
    config = student_config(tmp_path, "aug=cutout", "teacher_optim.epochs=1", "optim.epochs=1")
    made = teacher.run(typed(refused(config).split("make it with: ")[1] + " runtime.threads=1"))
    run = student.run(config)
    assert run.manifest.document.parents == {"teacher": made.id}


def test_a_teacher_by_another_recipe_is_named_with_the_override_that_selects_it(taught: Path) -> None:
    words = ("aug=[flip-crop,mixup]", "seed=2", "teacher_seed=1", "optim.epochs=1")
    message = refused(student_config(taught, *words))
    (there,) = RunStore(taught).all("teacher")
    found = re.fullmatch(
        rf"no such teacher by this recipe; {re.escape(there.path.name)} has another one: add (.*)", message
    )
    assert found is not None
    assert found[1] == "teacher_optim.epochs=1"
    run = student.run(student_config(taught, *words, *found[1].split()))
    assert run.manifest.document.parents == {"teacher": there.id}


@pytest.mark.parametrize(
    "words",
    [
        ("aug=[flip-crop,mixup]", "teacher_seed=2"),
        ("aug=mixup", "teacher_seed=1"),
        ("aug=[mixup,flip-crop]", "teacher_seed=1"),
        ("aug=[flip-crop,mixup]", "teacher_seed=1", "teacher.width=5"),
        ("aug=[flip-crop,mixup]", "teacher_seed=1", "dataset.size=20"),
        pytest.param(
            ("aug=[flip-crop,mixup]", "teacher_seed=1", "aug.ops.mixup.alpha=0.5"),
        ),
        pytest.param(
            ("aug=[flip-crop,mixup]", "teacher_seed=1", "runtime.precision=bf16"),
        ),
    ],
    ids=" ".join,
)
def test_a_teacher_that_no_recipe_would_select_is_not_offered(words: tuple[str, ...], taught: Path) -> None:
    assert "is not there yet; make it with: augdistill train-teacher" in refused(student_config(taught, *words))


def test_a_seed_is_not_taken_for_the_beginning_of_another(tmp_path: Path) -> None:
    teacher.run(teacher_config(tmp_path, "optim.epochs=1", "seed=10"))
    assert "is not there yet" in refused(student_config(tmp_path, "teacher_seed=1"))


def test_a_teacher_that_diverged_is_not_offered(tmp_path: Path) -> None:
    teacher.run(teacher_config(tmp_path, "optim.lr=900"))
    assert "is not there yet" in refused(student_config(tmp_path))
