"""The plan of a study: teachers -> teacher outputs -> students -> evaluations, as stages named by identity.

`arms` says which students a study has. Block b has one teacher per strategy, of teacher seed b; what several students
need is one stage.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from augdistill.base.checks import one_of, require
from augdistill.base.errors import AugdistillError, DataError, RequestError, as_typed
from augdistill.base.files import write_json
from augdistill.base.reading import read_json
from augdistill.config import Config
from augdistill.config.jobs import (
    ImportedConfig,
    StudentConfig,
)
from augdistill.config.studies import Study, StudyConfig
from augdistill.data import is_packed, test_set_name
from augdistill.store.evaluations import WEIGHTS
from augdistill.store.identity import Ref, outputs_ref, reference_of, student_ref, teacher_of, teacher_ref
from augdistill.store.plans import SavedPlan
from augdistill.study.arms import StudentJob, count_students, student_jobs
from augdistill.study.claims import claims_of
from augdistill.study.sets import SHARED, TestSets
from augdistill.study.stage import Stage

VALIDATION = "validation"  # the test set of a report that is about held-out images
MOST_STUDENTS = 100_000  # the paper has 300; a slip of the finger would fill the memory
PLACE = (*SHARED, "block", "student_seed")
TRAINED = ("teacher", "student")
GROWING = ("blocks", "students_per_teacher")  # more of them are the same design


@dataclass(frozen=True)
class Plan:
    """A study's stages, parents first; test sets left out of it and why; its distinct "student" configs.

    `shared` are places in the design whose runs stand at another one: role, model, teacher_aug, student_aug and
    variant, and "stands_at", the other variant. `images` counts those of the training set. `claims` is the content of a
    file of claims of one's own, None for the package's.
    """

    name: str
    study: Study
    stages: list[Stage]
    skipped: dict[str, str]
    choices: list[StudentConfig]
    shared: list[dict[str, str]]
    images: int
    claims: Config | None = None

    def save(self, folder: Path, command: str | None = None) -> None:
        """Write plan.json, from which the report is made, with the command that was typed.

        Raises RequestError where the folder holds a plan of the same name with other runs.
        """
        refuse_other(self, folder)
        folder.mkdir(parents=True, exist_ok=True)
        kept = {"name": self.name, "study": self.study.plain(), "skipped": self.skipped, "shared": self.shared}
        kept |= {"claims": self.claims} if self.claims is not None else {}
        kept |= {"command": command} if command is not None else {}
        write_json(folder / "plan.json", {**kept, "stages": [stage.saved() for stage in self.stages]})


def refuse_other(plan: Plan, folder: Path) -> None:
    """Raise RequestError if a folder holds a plan of this name in which a place of the design has another run.

    More blocks, students, strategies or cells of the same design are no other plan. One that cannot be read is none.
    """
    try:
        kept = read_json(folder / "plan.json", SavedPlan, "it is written again")
    except (FileNotFoundError, AugdistillError):
        return
    old = {tuple(getattr(stage.arm, key) for key in PLACE): stage.id for stage in kept.stages if stage.kind in TRAINED}
    new = {tuple(stage.arm[key] for key in PLACE): stage.id for stage in plan.stages if stage.kind in TRAINED}
    common = old.keys() & new.keys()
    if kept.name != plan.name or not old or (common and all(old[place] == new[place] for place in common)):
        return
    before, now = flat(kept.study.written), flat(plan.study.plain())
    differ = [key for key in {**before, **now} if before.get(key) != now.get(key) and key not in GROWING]
    changed = f"study.{differ[0]} was {before.get(differ[0])}, not {now.get(differ[0])}" if differ else "of other data"
    raise RequestError(f"the name {plan.name} is taken by another plan ({changed}): add study.name=NAME to keep both")


def flat(values: Config, prefix: str = "") -> dict[str, object]:
    """Return nested values by dotted keys."""
    found: dict[str, object] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def make_plan(config: StudyConfig) -> Plan:
    """Return the plan of a `study` config; needs the datasets' fingerprints, no pixels, no torch once they are packed.

    Raises ConfigError for keys and values that no job could have, DataError for a training set that is not there.
    """
    claims = claims_of(config.study)
    study = config.study.model_copy(update={"claims_file": None})  # whose content is kept, wherever it lay
    count = count_students(study)
    require(count <= MOST_STUDENTS, "study", f"{count:,} students", f"at most {MOST_STUDENTS:,} at once")
    choices: dict[str, StudentConfig] = {}
    jobs = list(student_jobs(config, choices))
    if not is_packed(study.dataset.name, "train", **study.dataset.reader_arguments(config.outputs)):
        from augdistill.stages.refusals import validate_choices, validate_values

        validate_choices(study, list(choices.values()), validate_values)  # before the data are packed
    with as_typed({"dataset.": "study.dataset."}):
        sets = TestSets(config)
        check_reported(study, sets)
    stages: dict[str, Stage] = {}
    for student in jobs:
        add_student(stages, student, sets)
    if study.costs:
        sets.add_costs(stages)
    shared = [dict(zip((*SHARED, "stands_at"), place, strict=True)) for place in sets.shared]
    known = list(stages.values()), sets.missing, list(choices.values()), shared, sets.images
    return Plan(study.name, study, *known, claims)


def check_reported(study: Study, sets: TestSets) -> None:
    """Raise ConfigError, or DataError where it is not there, for a `study.test_set` that no run is evaluated on."""
    wanted = study.test_set
    if wanted in (None, VALIDATION):
        return
    known = [
        *(test_set_name(name, study.dataset.plain()) for name in study.dataset.test_sets),
        *([VALIDATION] if study.dataset.validation else []),
    ]
    one_of("study.test_set", wanted, known)
    if wanted in sets.missing:
        raise DataError(f"study.test_set={wanted}: {sets.missing[wanted]}")


def add_student(stages: dict[str, Stage], job: StudentJob, sets: TestSets) -> None:
    """Add a student, before it what it needs, after it its evaluations; what is there already is shared."""
    config = job.config
    teacher, parents, role, members = None, [], "control", []
    if job.members:
        role = "student"
        for aug, member in job.members:
            alone = replace(job, config=member, arm={**job.arm, "teacher_aug": aug}, members=())
            ref, outputs = add_teacher(stages, alone, member, sets)
            members.append(ref)
            parents.append(outputs.id)
        named_all = f"[{','.join(sorted(member.folder for member in members))}]"
        config = config.model_copy(
            update={"distillation": config.distillation.model_copy(update={"teacher": named_all})}
        )
    elif config.distillation.alpha > 0:
        role = "student"
        named = config.distillation.teacher is not None
        teacher, outputs = (add_imported if named else add_teacher)(stages, job, config, sets)
        parents.append(outputs.id)
        if (reference := reference_of(config)) is not None:
            parents.append(add_teacher(stages, job, reference, sets)[1].id)
    place = {**job.arm, "role": role, "model": config.student.name}
    if role == "control":
        place["teacher_aug"] = "labels"
    called = None if members else config.distillation.teacher
    ref = sets.known_as(student_ref(config, sets.training, teacher, called, members))
    threads = sets.study.runtime.threads.student
    stage = sets.add(stages, ref, config, tuple(dict.fromkeys(parents)), threads, place)
    sets.share(place, stage)
    sets.add_evaluations(stages, ref, config, stage.arm, teacher if sets.is_evaluated(teacher) else None)


def add_teacher(stages: dict[str, Stage], job: StudentJob, config: StudentConfig, sets: TestSets) -> tuple[Ref, Ref]:
    """Add the teacher of a "student" config, its evaluations and its outputs; return the names of it and of these."""
    study = sets.study
    threads = study.runtime.threads
    taught_by = teacher_of(
        config.model_copy(update={"runtime": config.runtime.model_copy(update={"threads": threads.teacher})})
    )
    aug = job.arm["teacher_aug"] if config is job.config else config.aug.name
    known = (job.choice, aug, taught_by.seed)
    if known not in sets.teachers:
        sets.teachers[known] = sets.known_as(teacher_ref(taught_by, sets.training))
    teacher = sets.teachers[known]
    of_model = {"role": "teacher", "model": config.teacher.name, "teacher_aug": aug, "student_aug": ""}
    place = {**job.arm, **of_model, "student_seed": -1}
    own = {**place, "variant": job.teacher_variant}
    stage = sets.add(stages, teacher, taught_by, (), threads.teacher, own)
    sets.share(place, stage)
    sets.add_evaluations(stages, teacher, taught_by, stage.arm, None)
    outputs = sets.known_as(outputs_ref(teacher, config, sets.training))
    other_weights = config.distillation.teacher_weights != study.distillation.teacher_weights
    place = {**stage.arm, "role": "outputs", **({"variant": job.arm["variant"]} if other_weights else {})}
    sets.add(stages, outputs, config, (teacher.id,), threads.student, place)
    return teacher, outputs


def add_imported(stages: dict[str, Stage], job: StudentJob, config: StudentConfig, sets: TestSets) -> tuple[Ref, Ref]:
    """Add the teacher that a config names, which has to be there, its evaluations and its outputs; return two names."""
    teacher = sets.imported(config)
    threads, about = sets.study.runtime.threads, teacher.config
    assert isinstance(about, ImportedConfig)
    of_model = {"role": "teacher", "model": about.imported.model, "student_aug": "", "student_seed": -1}
    place = {**job.arm, **of_model, "variant": job.teacher_variant}
    stage = sets.add(stages, teacher.ref, about, (), threads.teacher, place)
    if WEIGHTS in teacher.manifest.files:
        sets.add_evaluations(stages, teacher.ref, about, stage.arm, None)
    outputs = sets.known_as(outputs_ref(teacher.ref, config, sets.training))
    sets.add(stages, outputs, config, (teacher.id,), threads.student, {**stage.arm, "role": "outputs"})
    return teacher.ref, outputs
