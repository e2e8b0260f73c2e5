"""The plan of a study: teachers -> teacher outputs -> students -> evaluations, as stages named by identity.

A study's config is one composed dictionary; here it is multiplied, without Hydra, into jobs. Block b has one teacher
per strategy, of teacher seed b, and K students of each, of student seeds bK .. bK+K-1, the same numbers under every
strategy and in the control that learns from labels alone.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from augdistill.config import Config, aug_name, check, known_keys, parameters, require
from augdistill.data import HUMAN_LABELS, test_set_name
from augdistill.errors import DataError
from augdistill.identity import Ref, outputs_ref, student_ref, teacher_of, teacher_ref
from augdistill.runs import write_json
from augdistill.stages import names

STUDY_KEYS = (
    *("name", "dataset", "teacher", "students", "aug", "ops", "student_aug", "distillation", "grids", "normalisation"),
    *("first_block", "blocks", "students_per_teacher", "runtime", "claims", "margins", "looks", "test_set", "base"),
)


@dataclass(frozen=True)
class Stage:
    """One job of a study: its run's id and folder, the ids it waits for, its CPU threads, its place in the design."""

    id: str
    kind: str
    folder: str
    job: Config
    parents: tuple[str, ...]
    threads: int
    arm: Config = field(default_factory=dict)

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.id, self.folder, {})


@dataclass(frozen=True)
class Plan:
    """A study's stages, parents first; test sets left out of it and why; its distinct "student" configs."""

    name: str
    study: Config
    stages: list[Stage]
    skipped: dict[str, str]
    choices: list[Config]

    def save(self, folder: Path) -> None:
        """Write plan.json, from which the report is made."""
        folder.mkdir(parents=True, exist_ok=True)
        stages = [asdict(stage) for stage in self.stages]
        write_json(
            folder / "plan.json", {"name": self.name, "study": self.study, "stages": stages, "skipped": self.skipped}
        )


def make_plan(config: Config) -> Plan:
    """Return the plan of a composed `study` config; needs the datasets' fingerprints, no pixels and no torch.

    Raises ConfigError for keys and values that no job could have, DataError for a training set that is not there.
    """
    study = config["study"]
    known_keys("study.", study, STUDY_KEYS)
    for key, least in (("first_block", 0), ("blocks", 1), ("students_per_teacher", 1)):
        require(type(study[key]) is int and study[key] >= least, f"study.{key}", study[key], f"{least} or more")
    sets = TestSets(config)
    stages: dict[str, Stage] = {}
    choices: dict[str, Config] = {}
    for student in student_jobs(config, choices):
        add_student(stages, student, sets)
    return Plan(study["name"], study, list(stages.values()), sets.missing, list(choices.values()))


@dataclass(frozen=True)
class StudentJob:
    """A checked "student" config, the distinct choice that it is a seed of, and its place in the design."""

    config: Config
    choice: str
    arm: Config


def student_jobs(config: Config, checked: dict[str, Config]) -> Iterator[StudentJob]:
    """Yield every student of a study, controls included, block by block, so that a study grows by whole blocks.

    Every distinct choice is checked once, not every stage, and put into `checked`.
    """
    study = config["study"]
    blocks = range(study["first_block"], study["first_block"] + study["blocks"])
    for block, variant, student in itertools.product(blocks, variants(study), study["students"]):
        labels = [("labels", "baseline", own) for own in student_augs(study, "labels")]
        arms = [("distilled", aug, own) for aug in study["aug"] for own in student_augs(study, aug)]
        for (role, aug, own), k in itertools.product(labels + arms, range(study["students_per_teacher"])):
            key = f"{role} {aug} {own} {student} {variant}"
            if key not in checked:
                checked[key] = check("student", student_config(config, role, aug, own, student, variant))
            seed = block * study["students_per_teacher"] + k
            place = {"block": block, "student_seed": seed, "variant": variant_name(variant)}
            yield StudentJob({**checked[key], "seed": seed, "teacher_seed": block}, key, place)


def variants(study: Config) -> list[dict[str, Any]]:
    """Return the study's main arm, {}, and every cell of its grids: dotted key -> value."""
    cells: list[dict[str, Any]] = [{}]
    for grid in study["grids"] or []:
        cells += [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return cells


def variant_name(variant: Mapping[str, Any]) -> str:
    """Return the name of a grid's cell, "" for the main arm."""
    return ",".join(f"{key}={value}" for key, value in variant.items())


def student_augs(study: Config, aug: str) -> list[str]:
    """Return the students' own strategies under a teacher's: "matching" means the teacher's, if it has one."""
    names = [name for name in study["student_aug"] if name != "matching"]
    if "matching" not in study["student_aug"]:
        return names
    augmented = [name for name in study["aug"] if name != "baseline"]
    if aug in ("labels", "baseline"):
        return list(dict.fromkeys([*names, *augmented]))
    return list(dict.fromkeys([*names, aug]))


def student_config(config: Config, role: str, aug: str, own: str, student: str, variant: Mapping[str, Any]) -> Config:
    """Return the unchecked "student" config of one arm."""
    study = config["study"]
    teacher, pupil = dict(study["teacher"]), dict(study["students"][student])
    made: Config = {
        "seed": 0,
        "outputs": config["outputs"],
        "dataset": study["dataset"],
        "aug": {"ops": stack(study, aug)},
        "teacher_optim": teacher.pop("optim"),
        "teacher": teacher,
        "teacher_seed": 0,
        "optim": pupil.pop("optim"),
        "student": pupil,
        "student_aug": {"ops": stack(study, own)},
        "distillation": study["distillation"],
        "runtime": {**study["runtime"], "threads": study["runtime"]["threads"]["student"]},
    }
    for key, value in variant.items():
        made = with_value(made, key.split("."), value)
    return with_value(made, ["distillation", "alpha"], 0.0) if role == "labels" else made


def stack(study: Config, name: str) -> Config:
    """Return the strategies that `name` stacks, "flip-crop+cutmix", with the study's own parameters of them."""
    names = [] if name == "baseline" else name.split("+")
    return {op: {**parameters("aug", op), **(study["ops"] or {}).get(op, {})} for op in names}


def with_value(config: Config, path: list[str], value: Any) -> Config:
    """Return a copy of `config` with the value at a path replaced; `lr_factor` multiplies the rate beside it."""
    if len(path) > 1:
        return {**config, path[0]: with_value(config.get(path[0], {}), path[1:], value)}
    if path[0] == "lr_factor":
        return {**config, "lr": config["lr"] * value}
    return {**config, path[0]: value}


def add_student(stages: dict[str, Stage], job: StudentJob, sets: "TestSets") -> None:
    """Add a student, before it what it needs, after it its evaluations; what is there already is shared."""
    config, arm, threads = job.config, job.arm, sets.config["study"]["runtime"]["threads"]
    labels_only = config["distillation"]["alpha"] == 0
    own = aug_name(config["student_aug"])
    if labels_only:
        ref = student_ref(config, sets.training)
        place = {
            **arm,
            "role": "control",
            "model": config["student"]["name"],
            "teacher_aug": "labels",
            "student_aug": own,
        }
        add(stages, ref, {"kind": "student", "config": config}, (), threads["student"], place)
        sets.add_evaluations(stages, ref, config, place, None)
        return
    taught_by = {**teacher_of(config), "runtime": {**config["runtime"], "threads": threads["teacher"]}}
    aug = aug_name(config["aug"])
    if (job.choice, taught_by["seed"]) not in sets.teachers:
        sets.teachers[job.choice, taught_by["seed"]] = teacher_ref(taught_by, sets.training)
    teacher = sets.teachers[job.choice, taught_by["seed"]]
    teacher_arm = {**arm, "student_seed": -1, "variant": teacher_variant(arm["variant"])}
    place = {
        **teacher_arm,
        "role": "teacher",
        "model": config["teacher"]["name"],
        "teacher_aug": aug,
        "student_aug": "",
    }
    add(stages, teacher, {"kind": "teacher", "config": taught_by}, (), threads["teacher"], place)
    sets.add_evaluations(stages, teacher, taught_by, place, None)
    outputs = outputs_ref(teacher, config, sets.training)
    outputs_place = {**place, "role": "outputs"}
    add(stages, outputs, {"kind": "outputs", "config": config}, (teacher.id,), threads["student"], outputs_place)
    ref = student_ref(config, sets.training, teacher)
    place = {**arm, "role": "student", "model": config["student"]["name"], "teacher_aug": aug, "student_aug": own}
    add(stages, ref, {"kind": "student", "config": config}, (outputs.id,), threads["student"], place)
    sets.add_evaluations(stages, ref, config, place, teacher)


def teacher_variant(variant: str) -> str:
    """Return the part of a variant's name that makes another teacher."""
    return ",".join(part for part in variant.split(",") if part.startswith(("teacher.", "teacher_optim.")))


def add(stages: dict[str, Stage], ref: Ref, job: Config, parents: tuple[str, ...], threads: int, arm: Config) -> None:
    """Add a stage unless it is there."""
    if ref.id not in stages:
        stages[ref.id] = Stage(ref.id, ref.kind, ref.folder, job, parents, threads, arm)


class TestSets:
    """The data of a study: the fingerprints of its training set and of the test sets that are there."""

    __test__ = False  # no test class, whatever its name

    def __init__(self, config: Config) -> None:
        self.config = config
        dataset = config["study"]["dataset"]
        self.training = names.dataset_header({"dataset": dataset, "outputs": config["outputs"]}).fingerprint
        self.found: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.evaluated: set[str] = set()
        self.known: dict[str, dict[str, Ref]] = {}
        self.teachers: dict[tuple[str, int], Ref] = {}
        for name in dataset["test_sets"]:
            try:
                self.found[name] = names.test_fingerprint(self.evaluation("", name), dataset)
            except DataError as error:
                self.missing[test_set_name(name)] = str(error)

    def evaluation(self, run: str, test_set: str) -> Config:
        """Return the config of one evaluation of this study."""
        runtime = {"device": self.config["study"]["runtime"]["device"], "threads": 1}
        normalisation = self.config["study"]["normalisation"]
        return names.evaluation_config(
            run, test_set, self.config["outputs"], normalisation=normalisation, runtime=runtime
        )

    def refs(self, run: Ref, precision: str) -> dict[str, Ref]:
        """Return the names of a run's evaluations, by test set."""
        if run.id not in self.known:
            self.known[run.id] = {
                name: names.evaluation_name(self.evaluation(run.folder, name), run, precision, fingerprint)
                for name, fingerprint in self.found.items()
            }
        return self.known[run.id]

    def add_evaluations(
        self, stages: dict[str, Stage], run: Ref, config: Config, arm: Config, teacher: Ref | None
    ) -> None:
        """Add a run's evaluations; each waits for its run, its teacher's evaluation, and, about humans, the images'."""
        if run.id in self.evaluated:
            return
        self.evaluated.add(run.id)
        precision = config["runtime"]["precision"]
        refs, taught = self.refs(run, precision), self.refs(teacher, precision) if teacher else {}
        for name, ref in refs.items():
            images = [refs[HUMAN_LABELS[name]].id] if HUMAN_LABELS.get(name) in refs else []
            parents = (run.id, *images, *([taught[name].id] if teacher else []))
            job = {"kind": "evaluation", "config": self.evaluation(run.folder, name)}
            add(stages, ref, job, parents, 1, {**arm, "test_set": test_set_name(name)})
