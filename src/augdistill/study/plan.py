"""The plan of a study: teachers -> teacher outputs -> students -> evaluations, as stages named by identity.

A study's config is one composed dictionary; here it is multiplied, without Hydra, into jobs. Block b has one teacher
per strategy, of teacher seed b, and K students of each, of student seeds bK .. bK+K-1, the same numbers under every
strategy and in the control that learns from labels alone.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from augdistill.config import AUG_KEYS, Config, aug_name, check, known_keys, parameters, require
from augdistill.data import HUMAN_LABELS, test_set_name
from augdistill.errors import ConfigError, DataError
from augdistill.identity import Ref, outputs_ref, reference_of, student_ref, teacher_of, teacher_ref
from augdistill.runs import write_json
from augdistill.schemas import NORMALISATION, STUDY, misfit, require_name
from augdistill.stages import names

STUDY_KEYS = (
    *("name", "dataset", "teacher", "students", "aug", "ops", "student_aug", "distillation", "grids", "normalisation"),
    *("first_block", "blocks", "students_per_teacher", "runtime", "claims", "margins", "looks", "test_set", "base"),
)
MAKES_ANOTHER_TEACHER = ("teacher.", "teacher_optim.", "aug.", "dataset.")
COUNTS = {"first_block": 0, "blocks": 1, "students_per_teacher": 1}
PLANNED: dict[
    str, Any
] = {  # what a plan is made from has all keys that those of older plans may lack, and counts of its own words
    **STUDY,
    **dict.fromkeys(COUNTS, object),
    "normalisation": NORMALISATION,
    "distillation": {**STUDY["distillation"], "teacher_weights": str},
}
MOST_STUDENTS = 100_000  # the paper has 300; a slip of the finger would fill the memory
SHARED = ("role", "model", "teacher_aug", "student_aug", "variant")


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
    """A study's stages, parents first; test sets left out of it and why; its distinct "student" configs.

    `shared` are places in the design whose runs stand at another one: role, model, teacher_aug, student_aug and
    variant, and "stands_at", the other variant. `images` counts those of the training set.
    """

    name: str
    study: Config
    stages: list[Stage]
    skipped: dict[str, str]
    choices: list[Config]
    shared: list[Config]
    images: int

    def save(self, folder: Path) -> None:
        """Write plan.json, from which the report is made."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {"name": self.name, "study": self.study, "skipped": self.skipped, "shared": self.shared}
        write_json(folder / "plan.json", {**kept, "stages": [asdict(stage) for stage in self.stages]})


def make_plan(config: Config) -> Plan:
    """Return the plan of a composed `study` config; needs the datasets' fingerprints, no pixels and no torch.

    Raises ConfigError for keys and values that no job could have, DataError for a training set that is not there.
    """
    study = config["study"]
    known_keys("study.", study, STUDY_KEYS)
    require_name("study.name", study.get("name"))
    if (place := misfit(study, PLANNED)) is not None:
        raise ConfigError(f"study.{place} is missing or not what it must be: conf/study/paper.yaml is an example")
    for key, least in COUNTS.items():
        fits = type(study[key]) is int and least <= study[key] < 2**31
        require(fits, f"study.{key}", study[key], f"{least} or more")
    count = count_students(study)
    require(count <= MOST_STUDENTS, "study", f"{count:,} students", f"at most {MOST_STUDENTS:,} at once")
    sets = TestSets(config)
    stages: dict[str, Stage] = {}
    choices: dict[str, Config] = {}
    for student in student_jobs(config, choices):
        add_student(stages, student, sets)
    if not config["wait"]:
        for stage in stages.values():
            stage.job["wait"] = False
    shared = [dict(zip((*SHARED, "stands_at"), place, strict=True)) for place in sets.shared]
    return Plan(study["name"], study, list(stages.values()), sets.missing, list(choices.values()), shared, sets.images)


@dataclass(frozen=True)
class StudentJob:
    """A checked "student" config, the distinct choice that it is a seed of, and its place in the design."""

    config: Config
    choice: str
    arm: Config
    teacher_variant: str


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
            of_teacher = {name: value for name, value in variant.items() if name.startswith(MAKES_ANOTHER_TEACHER)}
            job = {**checked[key], "seed": seed, "teacher_seed": block}
            yield StudentJob(job, key, place, variant_name(of_teacher))


def count_students(study: Config) -> int:
    """Return how many students a study has at most, without writing them out."""
    cells = 1 + sum(math.prod(map(len, grid.values())) for grid in study["grids"] or [])
    arms = (len(study["aug"]) + 1) * (len(study["student_aug"]) + len(study["aug"]))
    return int(study["blocks"] * study["students_per_teacher"] * len(study["students"]) * cells * arms)


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
        if applies(made, key.split(".")):
            made = with_value(made, key.split("."), value)
    return with_value(made, ["distillation", "alpha"], 0.0) if role == "labels" else made


def stack(study: Config, name: str) -> Config:
    """Return the strategies that `name` stacks, "flip-crop+cutmix", with the study's own parameters of them."""
    names = [] if name == "baseline" else name.split("+")
    return {op: {**parameters("aug", op), **(study.get("ops") or {}).get(op, {})} for op in names}


def applies(config: Config, path: list[str]) -> bool:
    """Return whether an arm has what a path varies: aug.ops.mixup.labels leaves teachers without mixup as they are."""
    if path[0] not in AUG_KEYS or path[1:2] != ["ops"] or len(path) != 4:
        return True
    known_keys(".".join(path[:3]) + ".", {path[3]: None}, list(parameters("aug", path[2])))
    return path[2] in config[path[0]]["ops"]


def with_value(config: Config, path: list[str], value: Any) -> Config:
    """Return a copy of `config` with the value at a path replaced; `lr_factor` multiplies the rate beside it."""
    if len(path) > 1:
        return {**config, path[0]: with_value(config.get(path[0], {}), path[1:], value)}
    if path[0] == "lr_factor":
        return {**config, "lr": config["lr"] * value}
    return {**config, path[0]: value}


def add_student(stages: dict[str, Stage], job: StudentJob, sets: "TestSets") -> None:
    """Add a student, before it what it needs, after it its evaluations; what is there already is shared."""
    config = job.config
    teacher, parents, role, taught_by = None, [], "control", "labels"
    if config["distillation"]["alpha"] > 0:
        role, taught_by = "student", aug_name(config["aug"])
        teacher, outputs = add_teacher(stages, job, config, sets)
        parents.append(outputs.id)
        if (reference := reference_of(config)) is not None:
            parents.append(add_teacher(stages, job, reference, sets)[1].id)
    place = {"role": role, "model": config["student"]["name"], "teacher_aug": taught_by}
    place = {**job.arm, **place, "student_aug": aug_name(config["student_aug"])}
    ref = student_ref(config, sets.training, teacher)
    threads = sets.config["study"]["runtime"]["threads"]["student"]
    stage = add(stages, ref, {"kind": "student", "config": config}, tuple(dict.fromkeys(parents)), threads, place)
    sets.share(place, stage)
    sets.add_evaluations(stages, ref, config, stage.arm, teacher)


def add_teacher(stages: dict[str, Stage], job: StudentJob, config: Config, sets: "TestSets") -> tuple[Ref, Ref]:
    """Add the teacher of a "student" config, its evaluations and its outputs; return the names of it and of these."""
    study = sets.config["study"]
    threads = study["runtime"]["threads"]
    taught_by = {**teacher_of(config), "runtime": {**config["runtime"], "threads": threads["teacher"]}}
    aug = aug_name(config["aug"])
    known = (job.choice, aug, taught_by["seed"])
    if known not in sets.teachers:
        sets.teachers[known] = teacher_ref(taught_by, sets.training)
    teacher = sets.teachers[known]
    place = {"role": "teacher", "model": config["teacher"]["name"], "teacher_aug": aug, "student_aug": ""}
    place = {**job.arm, **place, "student_seed": -1}
    own = {**place, "variant": job.teacher_variant}
    stage = add(stages, teacher, {"kind": "teacher", "config": taught_by}, (), threads["teacher"], own)
    sets.share(place, stage)
    sets.add_evaluations(stages, teacher, taught_by, stage.arm, None)
    outputs = outputs_ref(teacher, config, sets.training)
    other_weights = config["distillation"]["teacher_weights"] != study["distillation"]["teacher_weights"]
    place = {**stage.arm, "role": "outputs", **({"variant": job.arm["variant"]} if other_weights else {})}
    add(stages, outputs, {"kind": "outputs", "config": config}, (teacher.id,), threads["student"], place)
    return teacher, outputs


def add(stages: dict[str, Stage], ref: Ref, job: Config, parents: tuple[str, ...], threads: int, arm: Config) -> Stage:
    """Return the stage of this name, added unless it is there."""
    if ref.id not in stages:
        stages[ref.id] = Stage(ref.id, ref.kind, ref.folder, {**job, "id": ref.id}, parents, threads, arm)
    return stages[ref.id]


class TestSets:
    """The data of a study: the fingerprints of its training set and of the test sets that are there."""

    __test__ = False  # no test class, whatever its name

    def __init__(self, config: Config) -> None:
        self.config = config
        dataset = config["study"]["dataset"]
        header = names.dataset_header({"dataset": dataset, "outputs": config["outputs"]})
        self.training, self.images = header.fingerprint, header.count
        self.found: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.evaluated: set[str] = set()
        self.known: dict[str, dict[str, Ref]] = {}
        self.teachers: dict[tuple[str, str, int], Ref] = {}
        self.shared: dict[tuple[str, ...], None] = {}
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

    def share(self, place: Config, stage: Stage) -> None:
        """Note a place in the design whose run stands at another variant."""
        if place["variant"] != stage.arm["variant"]:
            self.shared[*(place[key] for key in SHARED), stage.arm["variant"]] = None

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
