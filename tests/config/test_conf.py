"""Composes every YAML file of conf/ as the commands do, and checks what comes out against the schema.

That the parameters of datasets, strategies and models equal their functions' arguments is tested beside those.
"""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from augdistill.base.errors import ConfigError
from augdistill.claims.expansion import expand
from augdistill.claims.schema import Study, load_claims
from augdistill.cli.main import COMMANDS, COMPOSING
from augdistill.config import choices, conf_dir, parameters
from augdistill.config.checking import typed
from augdistill.config.groups import Distillation, Optim, Runtime
from augdistill.config.places import files, shared_recipes
from augdistill.config.studies import StudyConfig
from augdistill.study.arms import student_jobs
from composed import JOBS, compose, job

SCHEMAS = {"optim": Optim, "distillation": Distillation, "runtime": Runtime}
EVALUATION_ONLY = ("dataset", "as-trained")  # stands for each run's own dataset
ALIKE = [*shared_recipes()][3:]  # the others of conf/models.yaml: one stands for them, each is built elsewhere
OF_DATASET = ("optim", "model")  # folders of conf/by-dataset
HEAVY = ("torch", "torchvision", "sklearn", "pandas", "scipy", "matplotlib")


def groups(command: str) -> list[str]:
    """Return the groups in a command's defaults, as an override names them: dataset, optim@teacher_optim, ..."""
    defaults = yaml.safe_load((conf_dir() / f"{command}.yaml").read_text())["defaults"]
    names = [name for entry in defaults if isinstance(entry, dict) for name in entry]
    return [name for name in names if not name.startswith("optional ")]


def folder(group: str) -> str:
    return group.split("@")[0].strip("/")


def every_choice() -> list[tuple[str, str, str]]:
    return [
        (command, group, choice)
        for command in COMPOSING
        for group in groups(command)
        for choice in choices(folder(group))
        if not (command in JOBS and (group, choice) == EVALUATION_ONLY) and choice not in ALIKE
    ]


@pytest.mark.parametrize("command", COMPOSING)
def test_a_command_composes_without_a_choice(command: str) -> None:
    config = compose(command)
    assert config["outputs"] == "outputs"
    if command in JOBS:
        assert job(command, config).dataset.name == "cifar10"


@pytest.mark.slow
@pytest.mark.parametrize(("command", "group", "choice"), every_choice())
def test_every_choice_of_every_group_composes(command: str, group: str, choice: str) -> None:
    config = compose(command, f"{group}={choice}")
    where = group.split("@")[-1]
    if where in ("dataset", "teacher", "student", "executor", "study"):
        assert config[where]["name"] == {"as-trained": None}.get(choice, choice)
    if command in JOBS:
        checked = job(command, config)
        assert list(getattr(getattr(checked, where), "ops", {})) == (
            [choice] if folder(group) == "aug" and choice != "baseline" else []
        )


@pytest.mark.parametrize("choice", choices("loss"))
def test_every_student_loss_composes(choice: str) -> None:
    checked = job("distill", compose("distill", f"loss@distillation.loss={choice}"))
    assert checked.distillation.loss.name == choice


@pytest.mark.parametrize("command", JOBS)
def test_a_job_needs_a_dataset_of_its_own(command: str) -> None:
    with pytest.raises(ConfigError, match="dataset"):
        job(command, compose(command, "dataset=as-trained"))


def test_every_file_is_composed_by_some_command() -> None:
    reached = {Path(f"{command}.yaml") for command in COMPOSING} | {Path("common.yaml")}
    reached |= {files(folder(group))[choice].relative_to(conf_dir()) for _, group, choice in every_choice()}
    reached.add(Path("dataset/as-trained.yaml"))
    reached |= {Path("loss", f"{choice}.yaml") for choice in choices("loss")} | {Path("models.yaml")}
    library = [path.relative_to(conf_dir()) for path in (conf_dir() / "study" / "claims").glob("*.yaml")]
    reached |= {*library, *(Path(yaml.safe_load((conf_dir() / path).read_text())["claims_file"]) for path in library)}
    reached |= {path.relative_to(conf_dir()) for path in (conf_dir() / "by-dataset").rglob("*.yaml")}  # see below
    assert reached == {path.relative_to(conf_dir()) for path in conf_dir().rglob("*.yaml")}


BY_DATASET = {part: sorted(path.stem for path in (conf_dir() / "by-dataset" / part).glob("*")) for part in OF_DATASET}


@pytest.mark.parametrize("command", JOBS)
@pytest.mark.parametrize("name", BY_DATASET["optim"])
def test_a_small_data_set_has_recipes_of_its_own_size(command: str, name: str) -> None:
    own = yaml.safe_load((conf_dir() / "by-dataset" / "optim" / f"{name}.yaml").read_text())
    made = compose(command, f"dataset={name}")
    for optim in (made[key] for key in ("optim", "teacher_optim") if key in made):
        assert {key: optim[key] for key in own} == own
    typed_out = compose(command, f"dataset={name}", "optim.epochs=200", "optim.batch_size=128", "teacher.width=64")
    assert typed_out["optim"] == compose(command)["optim"]  # as any data set has it
    assert typed_out["teacher"] == compose(command)["teacher"]


@pytest.mark.parametrize("choice", BY_DATASET["model"])
def test_a_small_data_set_has_models_of_its_own_size(choice: str) -> None:
    name, _, model = choice.partition("-")
    own = yaml.safe_load((conf_dir() / "by-dataset" / "model" / f"{choice}.yaml").read_text())
    made = compose("distill", f"dataset={name}", f"teacher={model}", f"student={model}")
    assert made["teacher"] == made["student"] == {"name": model, **own}
    assert {*own} <= {*parameters("teacher", model)}
    assert made["teacher"] == compose("train-teacher", f"dataset={name}", f"teacher={model}")["teacher"]


@pytest.mark.parametrize("name", choices("study"))
def test_a_study_is_made_of_checked_jobs(name: str) -> None:
    config = typed(StudyConfig, compose("study", f"study={name}"))
    jobs = list(student_jobs(config, {}))
    arms = [student.config for student in jobs]
    taught = [arm for arm in arms if arm.distillation.alpha > 0]
    assert {job.arm["teacher_aug"] for job in jobs} == {*config.study.aug, "labels"}
    assert {arm.student.name for arm in arms} == {student.name for student in config.study.students.values()}
    assert len({arm.teacher_seed for arm in arms}) == config.study.blocks
    controls = {(arm.student.name, arm.seed) for arm in arms if arm.distillation.alpha == 0}
    assert controls == {(arm.student.name, arm.seed) for arm in taught}


@pytest.mark.parametrize("name", choices("study"))
def test_a_study_opens_with_its_command(name: str) -> None:
    told = "augdistill study" if name == "quickstart" else f"augdistill study study={name}"
    assert (conf_dir() / "study" / f"{name}.yaml").read_text().startswith(f"# {told} ")


AS_CODED = {
    name: (conf_dir() / "study" / f"{name}.yaml").read_text() for name in ("paper-as-coded", "paper-as-coded-may")
}
SWITCHES = [
    (name, switch)
    for name, text in AS_CODED.items()
    for switch in sorted(set(re.findall(r"study\.[\w.-]+=[\w.-]+(?<!\.)", text.split("\n", 1)[1].split("name: ")[0])))
]
NOT_OF_THE_PAPER = ("temperature", "teacher_weights", "gamma")  # which are switched to another version's value


@pytest.mark.slow
@pytest.mark.parametrize(("name", "switch"), SWITCHES)
def test_a_departure_of_the_authors_code_is_switched_back_alone(name: str, switch: str) -> None:
    key, _, _ = switch.removeprefix("study.").partition("=")
    sound, coded = study_as_it_is("paper"), study_as_it_is(name)
    switched = compose("study", f"study={name}", mended(switch))["study"]

    def value(study: dict[str, Any], path: str) -> Any:
        for part in path.split("."):
            study = study.get(part, {})
        return study

    def put(study: Any, path: list[str], new: Any) -> Any:
        return {**study, path[0]: put(study[path[0]], path[1:], new)} if path else new

    assert value(switched, key) != value(coded, key)
    if key.startswith("arms."):
        assert value(switched, key) == 1e-4
        return
    assert put(switched, key.split("."), value(coded, key)) == coded  # and nothing else changes
    if key.startswith("ops."):
        _, op, parameter = key.split(".")
        assert value(switched, key) == parameters("aug", op)[parameter]
    elif key.split(".")[-1] not in NOT_OF_THE_PAPER:
        assert value(switched, key) == value(sound, key)


@cache
def study_as_it_is(name: str) -> dict[str, Any]:
    """Return a study's config as its file has it; read it only."""
    return dict(compose("study", f"study={name}")["study"])


def mended(switch: str) -> str:
    """Return a switch as the command line gives it to Hydra."""
    return f"++{switch}" if switch.startswith("study.arms.") else switch


@pytest.mark.parametrize(("name", "count"), [("paper-as-coded", 27), ("paper-as-coded-may", 8)])
def test_every_value_of_the_authors_code_has_a_number(name: str, count: int) -> None:
    values = AS_CODED[name].split("\nname: ")[1].split("\nblocks:")[0].splitlines()[1:]
    settings = [line for line in values if re.match(r"\s+(?!name)[\w-]+: [^&*]|normalisation", line)]
    assert len(settings) == count
    assert all(re.search(r"# \d+$", line) for line in settings)


# By hand from the authors' code, whose milestones are 60, 80, 120: epoch, counted from 1 as there -> its rate.
APRIL = {1: 0.1, 59: 0.1, 60: 0.02, 79: 0.02, 80: 0.004, 119: 0.004, 120: 0.0008, 250: 0.0008}
MAY = {1: 0.1, 59: 0.1, 60: 0.01, 79: 0.01, 80: 0.001, 119: 0.001, 120: 0.0001, 218: 0.0001}


@pytest.mark.parametrize(("name", "table"), [("paper-as-coded", APRIL), ("paper-as-coded-may", MAY)])
def test_rates_fall_at_the_epochs_of_the_authors_code(name: str, table: dict[int, float]) -> None:
    from augdistill.training.sgd import learning_rate

    study = typed(StudyConfig, compose("study", f"study={name}")).study
    for optim in (study.teacher.optim, *(student.optim for student in study.students.values())):
        assert optim.epochs == max(table)
        steps = 391  # batches of 128
        for epoch, rate in table.items():  # the first and the last step
            for step in ((epoch - 1) * steps, epoch * steps - 1):
                assert learning_rate(optim.plain(), step, steps) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("name", "flip", "crops"),
    [("paper-as-coded", 0.5, ["flip-crop"]), ("paper-as-coded-may", 0.0, ["flip-crop", "cutout", "mixup", "cutmix"])],
)
def test_arms_of_the_authors_code_keep_what_they_evaluated_and_crop_as_it_did(
    name: str, flip: float, crops: list[str]
) -> None:
    config = typed(StudyConfig, compose("study", f"study={name}", "study.blocks=1", "study.students_per_teacher=1"))
    arms = {(job.arm["teacher_aug"], job.config.student.name): job.config for job in student_jobs(config, {})}
    last = {("teacher", "flip-crop"), ("teacher", "mixup"), ("student", "baseline"), ("student", "labels")}
    for (aug, _), arm in arms.items():
        for role, optim in (("teacher", arm.teacher_optim), ("student", arm.optim)):
            if (role, aug) != ("teacher", "labels"):  # which has none
                assert optim.select == ("last" if (role, aug) in last else "best-test-loss"), (role, aug)
        assert ("flip-crop" in arm.aug.ops) == (aug in crops)
        assert all(op.flip == flip for which, op in arm.aug.ops.items() if which == "flip-crop")
        assert all(op.prob == 1 for which, op in arm.aug.ops.items() if which == "cutmix")


@pytest.mark.slow
@pytest.mark.parametrize("name", choices("study"))
def test_a_study_asks_claims_that_it_can_answer(name: str) -> None:
    study, claims = compose("study", f"study={name}")["study"], load_claims()
    students = [student["name"] for student in study["students"].values()]
    known = {key: study[key] for key in ("claims", "margins", "looks", "blocks", "base")}
    where = {"test_set": study["test_set"] or "", "dataset": study["dataset"]["name"]}
    meta = Study.from_meta({**known, **where, "name": name, "augs": study["aug"], "students": students}, claims)
    for claim in meta.claims:
        parts, _ = expand(claims[claim].parts, claims[claim], meta, claims)
        assert parts, f"{name} has no arms for claim {claim}"


@pytest.mark.parametrize("command", COMPOSING)
def test_a_command_opens_with_its_purpose(command: str) -> None:
    assert (conf_dir() / f"{command}.yaml").read_text().startswith(f"# augdistill {command}: ")


@pytest.mark.parametrize(
    ("group", "choice"),
    [(group, path.stem) for group in ("optim", "distillation", "runtime") for path in sorted({*files(group).values()})],
)
def test_a_group_of_the_schema_lists_all_its_fields(group: str, choice: str) -> None:
    values = yaml.safe_load((conf_dir() / group / f"{choice}.yaml").read_text())
    assert set(values) - {"defaults"} | ({"loss"} if "defaults" in values else set()) == set(
        SCHEMAS[group].model_fields
    )


def test_runtime_and_distillation_defaults_are_those_of_the_schema() -> None:
    for group in ("distillation", "runtime"):
        values = yaml.safe_load((conf_dir() / group / "default.yaml").read_text())
        if values.pop("defaults", None):  # of distillation: its student loss, from a file of its own
            values["loss"] = yaml.safe_load((conf_dir() / "loss" / "kd.yaml").read_text())
        assert values == SCHEMAS[group]().plain()


@pytest.mark.parametrize("order", [("flip-crop", "cutmix"), ("cutmix", "flip-crop")])
def test_strategies_stack_in_the_order_given(order: tuple[str, str]) -> None:
    stack = f"[{','.join(order)}]"
    teacher = job("train-teacher", compose("train-teacher", f"aug={stack}"))
    student = job("distill", compose("distill", f"aug={stack}", f"aug@student_aug={stack}"))
    assert tuple(teacher.aug.ops) == tuple(student.aug.ops) == tuple(student.own_aug.ops) == order


def test_the_recipe_is_that_of_the_model() -> None:
    recipe = {path.stem: yaml.safe_load(path.read_text()) for path in files("optim").values()}
    distilled = job("distill", compose("distill", "teacher=alexnet", "student=resnet18"))
    assert distilled.teacher_optim.plain() == {**recipe["alexnet"], "weight_decay": 5e-4}
    assert distilled.optim.plain() == {**recipe["resnet18"], "weight_decay": 5e-4}


def test_a_model_without_files_is_chosen_by_its_name_with_the_recipe_that_it_shares() -> None:
    distilled = job("distill", compose("distill", "teacher=wrn-40-2", "student=shufflenet-v1"))
    assert (distilled.teacher.plain(), distilled.student.plain()) == ({"name": "wrn-40-2"}, {"name": "shufflenet-v1"})
    rates = {"epochs": 240, "batch_size": 64, "weight_decay": 5e-4, "momentum": 0.9, "nesterov": False}
    rates |= {"schedule": "multistep", "milestones": [150, 180, 210], "gamma": 0.1, "select": "last"}
    for optim, rate in ((distilled.teacher_optim, 0.05), (distilled.optim, 0.01)):
        assert optim.plain().items() >= {**rates, "lr": rate}.items()
    chosen = job("distill", compose("distill", "student=lenet", "optim=crd"))
    assert chosen.optim == distilled.teacher_optim


def test_what_is_wrong_with_a_model_without_files_is_said_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"student\.width is not a config key.*known here are name$"):
        job("distill", compose("distill", "student=resnet20", "+student.width=3"))
    with pytest.raises(ConfigError, match=r"teacher(\.name)?=resnet57 is unknown \(did you mean resnet56\?\)"):
        job("distill", compose("distill") | {"teacher": {"name": "resnet57"}})


def test_a_student_finds_the_teacher_that_the_same_choices_make() -> None:
    words = ["dataset=mnist", "aug=[flip-crop,mixup]", "teacher=alexnet", "seed=3"]
    teacher, student = (
        job("train-teacher", compose("train-teacher", *words)),
        job("distill", compose("distill", *words)),
    )
    assert student.teacher_optim == teacher.optim
    assert student.teacher_seed == teacher.seed == 3
    assert all(getattr(student, key) == getattr(teacher, key) for key in ("dataset", "aug", "teacher"))


PROBE = """
import json, sys
from augdistill.cli import main
try:
    main()
finally:
    print(json.dumps(sorted(name for name in sys.modules if "." not in name)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "runs --help",
        "study --cfg job",
        *(pytest.param(f"{command} --help", marks=pytest.mark.slow) for command in COMMANDS if command != "runs"),
        *(pytest.param(f"{command} --cfg job", marks=pytest.mark.slow) for command in COMPOSING if command != "study"),
    ],
)
def test_help_and_config_import_nothing_heavy(words: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *words.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[:800]
    assert set(json.loads(ended.stderr.splitlines()[-1])).isdisjoint(HEAVY)
    assert list(tmp_path.iterdir()) == []
    if words.endswith("--help") and words.split()[0] not in COMPOSING:
        assert "hydra" not in json.loads(ended.stderr.splitlines()[-1])
    if words == "--help":
        assert max(map(len, ended.stdout.splitlines())) <= 80  # as wide as a terminal is by default
    if words.endswith(" --help"):
        has_choices = words.split()[0] in COMPOSING
        assert ("\nwhat is chosen, and what there is to choose from:\n" in ended.stdout) == has_choices
    if words.endswith("--help"):
        assert f"augdistill {words}".removesuffix(" --help") in ended.stdout
    else:
        assert yaml.safe_load(ended.stdout)["outputs"] == "outputs"
