"""The arms of a study: its config multiplied, without Hydra, into the "student" config of every student.

Block b has K students of each teacher, of student seeds bK .. bK+K-1, the same numbers under every strategy and in the
control that learns from labels alone.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from augdistill.base.checks import check_keys, one_of, require
from augdistill.base.errors import ConfigError
from augdistill.config import Config, parameters
from augdistill.config.checking import check
from augdistill.config.factors import factorial
from augdistill.config.groups import Aug
from augdistill.config.jobs import StudentConfig
from augdistill.config.studies import BASELINE, LABELS, MATCHING, Study, StudyConfig
from augdistill.store.identity import reference_of

ENSEMBLE = "ensemble"  # the role of an arm that several teachers of its block teach
IMPORTED = "imported"  # the role of an arm whose teacher came from elsewhere, the same one in every block
VARIED = (
    "dataset",
    "aug",
    "teacher",
    "teacher_optim",
    "student",
    "student_aug",
    "distillation",
    "optim",
    "runtime",
)  # groups of which a grid may vary a value


@dataclass(frozen=True)
class StudentJob:
    """A student's config, the distinct choice that it is a seed of, and its place in the design.

    Of several teachers `members` are the strategies, each with the config of a student of that teacher alone.
    """

    config: StudentConfig
    choice: str
    arm: Config
    teacher_variant: str
    members: tuple[tuple[str, StudentConfig], ...] = ()


def student_jobs(config: StudyConfig, checked: dict[str, StudentConfig]) -> Iterator[StudentJob]:
    """Yield every student of a study, controls included, block by block, so that a study grows by whole blocks.

    Every distinct choice is checked once, not every stage, and put into `checked`.
    """
    study = config.study
    blocks = range(study.first_block, study.first_block + study.blocks)
    places = ((block, *cell) for block in blocks for cell in itertools.product(cells_of(study, block), study.students))
    for block, (cell, variant), student in places:
        labels = [(LABELS, "baseline", own) for own in student_augs(study, LABELS)]
        arms = [("distilled", aug, own) for aug in study.aug for own in student_augs(study, aug)]
        plain = [own for own in study.student_aug if own != MATCHING]
        arms += [(IMPORTED, name, own) for name in study.imported for own in plain]
        arms += [(ENSEMBLE, name, own) for name in study.ensembles for own in plain]
        for (role, aug, own), k in itertools.product(labels + arms, range(study.students_per_teacher)):
            key = f"{role} {aug} {own} {student} {variant}"
            if key not in checked:
                whole = f"study.{'factors' if study.factors else 'grids'}, the cell {cell}"
                arm = LABELS if role == LABELS else aug
                trained = {IMPORTED: BASELINE, ENSEMBLE: study.ensembles.get(aug, (aug,))[0]}.get(role, aug)
                config_of_arm = student_config(config, trained, own, student)
                if role == IMPORTED:
                    config_of_arm = with_value(config_of_arm, ["distillation", "teacher"], aug)
                checked[key] = checked_arm(config_of_arm, study, arm, variant, whole)
            seed = block * study.students_per_teacher + k
            place = {"block": block, "student_seed": seed, "variant": cell}
            place["teacher_aug"] = {LABELS: LABELS, IMPORTED: aug, ENSEMBLE: aug}.get(role) or name_in(
                study, aug, checked[key].aug
            )
            place["student_aug"] = name_in(study, own, checked[key].student_aug)
            of_teacher = {name: value for name, value in variant.items() if makes_another_teacher(name)}
            job = checked[key].model_copy(update={"seed": seed, "teacher_seed": block})
            ensemble = study.ensembles.get(aug, ()) if role == ENSEMBLE else ()
            members = [(name, checked[f"distilled {name} {own} {student} {variant}"]) for name in ensemble]
            taught = tuple(
                (name, one.model_copy(update={"seed": seed, "teacher_seed": block})) for name, one in members
            )
            yield StudentJob(job, key, place, variant_name(of_teacher), taught)


def checked_arm(config: Config, study: Study, arm: str, variant: Mapping[str, Any], cell: str) -> StudentConfig:
    """Return the checked "student" config of one arm in one cell of a study; ConfigError names the cell or the arm.

    Where a cell and `study.arms` say something of the same key, the cell's value stands.
    """
    own = study.values_of(arm)
    try:
        for key, value in {**own, **variant}.items():
            one_of("its first word", key.split(".")[0], VARIED)
            if applies(config, key.split(".")):
                config = with_value(config, key.split("."), value)
        found = check("student", with_value(config, ["distillation", "alpha"], 0.0) if arm == LABELS else config)
        own_teachers = [key for each in study.arms for key in study.values_of(each) if makes_another_teacher(key)]
        if own_teachers and reference_of(found):
            other = f"distillation.transform=rescale: the baseline's teacher differs in {own_teachers[0]}, too"
            raise ConfigError(f"{other}: give the s.d., as in distillation.sd=3.0")
        return found
    except ConfigError as error:
        if not variant and not own:
            raise
        raise ConfigError(f"{cell if variant else f'study.arms.{arm}'}: {error}") from None


def makes_another_teacher(key: str) -> bool:
    """Return whether a value at a dotted key is one of those that decide a teacher."""
    return key.startswith(("teacher.", "teacher_optim.", "aug.", "dataset."))


def count_students(study: Study) -> int:
    """Return how many students a study has at most, without writing them out."""
    cells = 1 + sum(math.prod(map(len, grid.values())) for grid in study.grids)
    if study.factors:
        cells = len(cells_of(study, study.first_block))
    arms = (len(study.aug) + len(study.imported) + len(study.teachers) + 1) * (len(study.student_aug) + len(study.aug))
    return study.blocks * study.students_per_teacher * len(study.students) * cells * arms


def cells_of(study: Study, block: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the cells of one block, by name with the values that they change: of factors those that it has."""
    if not study.factors:
        return [(variant_name(variant), variant) for variant in variants(study)]
    design = factorial(study.factors, study.design)
    own = (block - study.first_block) % design.blocks
    return [(cell.name, cell.overrides) for cell in design.cells if cell.block == own]


def variants(study: Study) -> list[dict[str, Any]]:
    """Return the study's main arm, {}, and every cell of its grids: dotted key -> value."""
    cells: list[dict[str, Any]] = [{}]
    for grid in study.grids:
        cells += [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return cells


def variant_name(variant: Mapping[str, Any]) -> str:
    """Return the name of a grid's cell, "" for the main arm."""
    return ",".join(f"{key}={value}" for key, value in variant.items())


def student_augs(study: Study, aug: str) -> list[str]:
    """Return the students' own strategies under a teacher's: "matching" means the teacher's, if it has one."""
    names = [name for name in study.student_aug if name != MATCHING]
    if MATCHING not in study.student_aug:
        return names
    augmented = [name for name in study.aug if name != "baseline"]
    if aug in (LABELS, "baseline"):
        return list(dict.fromkeys([*names, *augmented]))
    return list(dict.fromkeys([*names, aug]))


def student_config(config: StudyConfig, aug: str, own: str, student: str) -> Config:
    """Return the unchecked "student" config of one arm, in which a grid may still vary values."""
    study = config.study
    teacher, trained, runtime = study.teacher.plain(), study.students[student].plain(), study.runtime.plain()
    return {
        "seed": 0,
        "outputs": config.outputs,
        "dataset": study.dataset.plain(),
        "aug": {"ops": study.parameters_of(aug)},
        "teacher_optim": teacher.pop("optim"),
        "teacher": teacher,
        "teacher_seed": 0,
        "optim": trained.pop("optim"),
        "student": trained,
        "student_aug": {"ops": study.parameters_of(own)},
        "distillation": study.distillation.plain(),
        "runtime": {**runtime, "threads": study.runtime.threads.student},
    }


def name_in(study: Study, name: str, aug: Aug) -> str:
    """Return what a study calls the strategies of an arm: its `name`, unless a grid changed which they are."""
    return name if [*aug.ops] == [*study.parameters_of(name)] else aug.name


def applies(config: Config, path: list[str]) -> bool:
    """Return whether an arm has what a path varies: aug.ops.mixup.labels leaves teachers without mixup as they are."""
    if path[0] not in ("aug", "student_aug") or path[1:2] != ["ops"] or len(path) != 4:
        return True
    check_keys(".".join(path[:3]) + ".", {path[3]: None}, list(parameters("aug", path[2])))
    return path[2] in config[path[0]]["ops"]


def with_value(config: Config, path: list[str], value: Any) -> Config:
    """Return a copy of `config` with the value at a path replaced; `lr_factor` multiplies the rate beside it."""
    if not isinstance(config, Mapping):
        raise ConfigError(f"there is no {path[0]} below {config}, which is no group of keys")
    if len(path) > 1:
        return {**config, path[0]: with_value(config.get(path[0], {}), path[1:], value)}
    if path[0] == "lr_factor":
        is_factor = isinstance(value, int | float) and not isinstance(value, bool) and "lr" in config
        require(is_factor, "lr_factor", value, "a number, as in optim.lr_factor: [0.5, 2]")
        return {**config, "lr": config["lr"] * value}
    return {**config, path[0]: value}
