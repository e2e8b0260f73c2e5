"""A study's file in its short form composes as Hydra's long form does; stacks are stacks however they are spelt."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from augdistill.base.errors import ConfigError
from augdistill.cli.composing.compose import composed
from augdistill.cli.main import dispatch
from augdistill.config.checking import typed
from augdistill.config.studies import Study, StudyConfig
from augdistill.study.arms import student_jobs

LONG = """
defaults:
  - /dataset@dataset: digits
  - /teacher@teacher: resnet18
  - /optim@teacher.optim: resnet18
  - /student@students.lenet: lenet
  - /optim@students.lenet.optim: lenet
  - /student@students.wide: resnet18
  - /optim@students.wide.optim: lenet
  - /distillation@distillation: default
  - _self_
name: mine
dataset: {size: 16}
teacher: {width: 4, optim: {epochs: 2}}
students: {lenet: {optim: {epochs: 1}}, wide: {width: 8}}
distillation: {temperature: 4}
aug: [baseline, cutmix]
"""
SHORT = """
dataset: {name: digits, size: 16}
teacher: {name: resnet18, width: 4, optim: {epochs: 2}}
students: {lenet: {optim: {epochs: 1}}, wide: {name: resnet18, width: 8, optim: lenet}}
distillation: {temperature: 4}
aug: [baseline, cutmix]
"""
MINIMAL = "dataset: digits\nteacher: resnet18\nstudents: [lenet, alexnet]\naug: [baseline, cutmix]\n"
STRONG = "defaults: [cutmix]\nops: {cutmix: {prob: 1.0}}\n"


def config(*words: str, folder: Path | None = None, command: str = "study") -> dict[str, Any]:
    found = OmegaConf.to_container(composed(command, list(words), str(folder) if folder else None), resolve=True)
    assert isinstance(found, dict)
    return found


def study(*words: str, folder: Path | None = None) -> Study:
    """Return the checked group `study`."""
    return typed(StudyConfig, config(*words, folder=folder)).study


def written(folder: Path, **files: str) -> Path:
    """Write study/NAME.yaml or, for the name strong, aug/strong.yaml."""
    for name, text in files.items():
        path = folder / ("aug" if name == "strong" else "study") / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def arms(checked: Study) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the strategies of each arm of the students by its names."""
    jobs = student_jobs(StudyConfig.model_construct(outputs="outputs", study=checked), {})
    return {(job.arm["teacher_aug"], job.arm["student_aug"]): job.config.aug.plain()["ops"] for job in jobs}


def test_the_short_form_is_the_long_form(tmp_path) -> None:
    folder = written(tmp_path, mine=SHORT, long=LONG)
    assert config("study=mine", folder=folder) == config("study=long", folder=folder)


def test_four_lines_are_a_study_with_each_models_recipe(tmp_path) -> None:
    found = study("study=four", folder=written(tmp_path, four=MINIMAL))
    models = config("student=lenet", command="distill"), config("student=alexnet", command="distill")
    assert found.name == "four"
    assert {name: student.optim.lr for name, student in found.students.items()} == {"lenet": 0.05, "alexnet": 0.1}
    for name, job in zip(("lenet", "alexnet"), models, strict=True):
        assert found.students[name].plain() == {**job["student"], "optim": {**job["optim"], "weight_decay": 5e-4}}
    assert found.dataset.parameters()["size"] == 16
    assert found.teacher.parameters() == {"width": 64}


def test_students_are_picked_by_name_and_keep_what_the_file_changes() -> None:
    words = ("study=quickstart", "study.students=[alexnet,lenet]", "study.students.alexnet.optim.epochs=3")
    found = study(*words).students
    assert list(found) == ["alexnet", "lenet"]
    assert [student.optim.epochs for student in found.values()] == [3, 15]
    assert list(study("study.students=resnet18").students) == ["resnet18"]


def test_students_are_picked_where_a_study_builds_on_another(tmp_path) -> None:
    folder = written(tmp_path, mine="defaults: [quickstart]\nname: mine\nstudents: {lenet: {optim: {lr: 0.01}}}\n")
    assert study("study=mine", folder=folder).students["lenet"].optim.lr == 0.01
    assert list(study("study=mine", "study.students=[alexnet]", folder=folder).students) == ["alexnet"]


@pytest.mark.slow
def test_a_sweep_over_students_is_a_study_of_each(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[list[str]] = []
    monkeypatch.setattr(
        "augdistill.cli.commands.study", lambda config, typed_as: seen.append(list(config["study"]["students"]))
    )
    monkeypatch.setattr("augdistill.cli.commands.validate_here", lambda command, config: None)
    dispatch("study", ["-m", "study=tiny", "study.students=[lenet],[resnet18,lenet]"])
    assert seen == [["lenet"], ["resnet18", "lenet"]]


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        (MINIMAL.replace("[lenet, ", "[lenett, "), (), "study.students.lenett=lenett is unknown (did you mean lenet?)"),
        (MINIMAL.replace("resnet18", "resnet1"), (), "study.teacher=resnet1 is unknown (did you mean resnet18?): ch"),
        (MINIMAL.replace("digits", "digit"), (), "study.dataset=digit is unknown (did you mean digits?): choose one o"),
        (MINIMAL.replace("digits", "as-trained"), (), "study.dataset=as-trained is unknown: choose one of cifar10, "),
        (MINIMAL.replace("[lenet,", "[lenet, lenet,"), (), "study.students=[lenet,lenet,alexnet] is out of range: eac"),
        (MINIMAL.replace("[lenet, alexnet]", "{lenet: {optim: fast}}"), (), "study.students.lenet.optim=fast is unkno"),
        (MINIMAL.replace("[lenet, alexnet]", "{a/b: lenet}"), (), "study.students.a/b is no key: letters, digits, _ a"),
        (MINIMAL.replace("teacher: resnet18", ""), (), "study.teacher is missing"),
        (MINIMAL.replace("students:", "pupils:"), (), "study.pupils is not a config key"),
        (LONG, ("study.students=[alexnet]",), "study.students=[alexnet]: the study's file lists students among its de"),
        (MINIMAL + "claims_file: ../claims.yaml\n", (), "study.claims_file=../claims.yaml is refused: a config names"),
        (MINIMAL + "claims_file: /etc/passwd\n", (), "study.claims_file=/etc/passwd is refused: a config names a file"),
        (MINIMAL + "name: x\nclaims_file: '${study.name}'\n", (), "study.claims_file=${study.name} is refused: a conf"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_right_is_refused_in_one_line(text, words, line, tmp_path) -> None:
    with pytest.raises(ConfigError) as raised:
        study("study=mine", *words, folder=written(tmp_path, mine=text))
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_of_claims_lies_in_the_folder_of_its_study(tmp_path) -> None:
    folder = written(tmp_path, mine=MINIMAL + "claims_file: own/claims.yaml\n")
    whole = written(tmp_path, whole="# @package _global_\nstudy: {claims_file: claims.yaml}\n")
    assert config("study=mine", folder=folder)["study"]["claims_file"] == str(tmp_path / "own/claims.yaml")
    assert config("study=whole", folder=whole)["study"]["claims_file"] == str(tmp_path / "claims.yaml")
    typed = config("study=mine", "study.claims_file=here.yaml", folder=folder)
    assert typed["study"]["claims_file"] == "here.yaml"


@pytest.mark.parametrize(
    "stack", ["flip-crop+cutmix", "[flip-crop,cutmix]", "[flip-crop+cutmix]", "baseline+flip-crop+cutmix"]
)
def test_a_stack_is_spelt_either_way(stack: str) -> None:
    teacher = config(f"aug={stack}", command="train-teacher")
    student = config(f"aug@student_aug={stack}", command="distill")
    assert list(teacher["aug"]["ops"]) == list(student["student_aug"]["ops"]) == ["flip-crop", "cutmix"]
    assert student["aug"]["ops"] == {}
    assert teacher["aug"]["ops"]["cutmix"]["prob"] == 0.5


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("[baseline,flip-crop+cutmix]", ["baseline", "flip-crop+cutmix"]),
        ("[baseline,[flip-crop,cutmix]]", ["baseline", "flip-crop+cutmix"]),
        ("[baseline,[baseline,cutmix]]", ["baseline", "cutmix"]),
        ("[baseline,[cutout]]", ["baseline", "cutout"]),
        ("[flip-crop,cutmix]", ["flip-crop", "cutmix"]),
        ("cutmix", ["cutmix"]),
        ("flip-crop+cutmix", ["flip-crop+cutmix"]),
        ("[[flip-crop,cutmix]]", ["flip-crop+cutmix"]),
    ],
)
def test_arms_are_a_list_of_strategies_and_stacks(typed: str, wanted: list[str]) -> None:
    base = wanted[0] if "+" not in wanted[0] else "[flip-crop,cutmix]"
    found = study("study=tiny", f"study.aug={typed}", f"study.base={base}", f"study.student_aug={typed}")
    assert list(found.aug) == list(found.student_aug) == wanted
    assert found.base == wanted[0]
    assert list(arms(found)[wanted[-1], wanted[-1]]) == [op for op in wanted[-1].split("+") if op != "baseline"]


def test_a_strategys_file_of_ones_own_is_an_arm_alone_and_in_stacks(tmp_path) -> None:
    folder = written(tmp_path, strong=STRONG, mine=MINIMAL.replace("[baseline, cutmix]", "[baseline, cutmix, strong]"))
    assert config("aug=flip-crop+strong", command="train-teacher", folder=folder)["aug"]["ops"]["cutmix"]["prob"] == 1.0
    found = arms(study("study=mine", folder=folder))
    assert {name: ops.get("cutmix", {}).get("prob") for (name, _), ops in found.items()} == {
        "labels": None,
        "baseline": None,
        "cutmix": 0.5,
        "strong": 1.0,
    }
    words = ("study.aug=[baseline,[flip-crop,strong]]", "study.student_aug=[baseline,matching]", "study.ops={}")
    found = arms(study("study=tiny", *words, folder=folder))
    assert ("flip-crop+strong", "flip-crop+strong") in found
    assert list(found["flip-crop+strong", "baseline"]) == ["flip-crop", "cutmix"]
    assert found["flip-crop+strong", "baseline"]["cutmix"]["prob"] == 1.0
    assert found["flip-crop+strong", "baseline"]["cutmix"]["alpha"] == 1.0


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("[baseline,cutmix,same]", "cutmix and same are the same strategies with the same parameters"),
        ("[baseline,cutmix+strong]", "each strategy of a stack once"),
        ("[baseline,stronk]", "stronk is unknown (did you mean strong?)"),
    ],
)
def test_arms_that_are_one_or_none_are_refused(typed: str, line: str, tmp_path) -> None:
    folder = written(tmp_path, strong=STRONG)
    (folder / "aug" / "same.yaml").write_text("defaults: [cutmix]\n")
    words = ("+study.stacks.strong.ops.cutmix.prob=1.0",) if "stronk" in typed else ()
    with pytest.raises(ConfigError) as raised:
        study("study=tiny", f"study.aug={typed}", *words, folder=folder)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_another_dataset_or_teacher_leaves_behind_what_it_has_no_key_for():
    other = study("study=quickstart", "dataset@study.dataset=mnist", "teacher@study.teacher=alexnet")
    assert (other.dataset.name, other.test_set) == ("mnist", None)
    assert (other.teacher.name, other.teacher.optim.epochs, other.teacher.optim.lr) == ("alexnet", 10, 0.1)
    narrow = study("study=quickstart", "teacher@study.teacher=resnet18")
    assert (narrow.teacher.plain()["width"], narrow.teacher.optim.schedule) == (8, "cosine")
    wide = study("study=quickstart", "student@study.students.alexnet-small=alexnet").students["alexnet-small"]
    assert (wide.name, wide.optim.epochs, "channels" in wide.plain()) == ("alexnet", 14, False)
    same = study("study=quickstart", "teacher@study.teacher=resnet9", "dataset@study.dataset=digits")
    assert same == study("study=quickstart")
