"""Runs that no study planned, as if one had: each gets its place in a design, by what its config says."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from augdistill.base.errors import RequestError
from augdistill.base.files import write_json
from augdistill.base.reading import read_json
from augdistill.config import Config, parameters
from augdistill.results.models import LABELS, Model, Value, matching, models
from augdistill.results.study import SavedStudy
from augdistill.store.plans import SavedPlan
from augdistill.store.runs import Run, RunStore

ALL = "all"
BASELINE = "baseline"
PLACES = (  # what a place in a design says anyway, besides the cell of a grid
    "dataset.name",
    "teacher.name",
    "student.name",
    "aug",
    "student_aug",
    "seed",
    "teacher_seed",
    "evaluate",
    "dataset.test_sets",
    "distillation.teacher",
)
Values = dict[str, Value]


def adopt(store: RunStore, words: Sequence[str], name: str, command: str) -> None:
    """Write the plan of runs that no study planned as study `name`; `command` is what was typed.

    Raises RequestError where `name` is a study that was planned, else as `plan_of_chosen` does.
    """
    refuse_planned(store, name)
    plan = plan_of_chosen(store, words, name) | {"command": command}
    folder = store.outputs / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "plan.json", plan)


def load_loose(words: Sequence[str], outputs: Path) -> SavedStudy:
    """Return runs that no study planned as one; nothing is written. Raises as `plan_of_chosen` does."""
    store = RunStore(outputs)
    return SavedStudy(SavedPlan.model_validate(plan_of_chosen(store, words, "runs")), store)


def plan_of_chosen(store: RunStore, words: Sequence[str], name: str) -> Config:
    """Return the plan, as JSON, of the models that are as each KEY=VALUE says, or of all, with their teachers.

    Raises ConfigError for a key that no model has, RequestError where no model is so, and for runs that no design can
    hold: of several datasets or teachers, or two at one place.
    """
    rows = models(store)
    chosen = rows if list(words) == [ALL] else matching(rows, words, "runs")
    if not chosen:
        raise RequestError(f"runs={','.join(words)}: no model is so; augdistill runs lists them")
    return plan_of(chosen, rows, store.all(), name) | {"adopted": list(words)}


def refuse_planned(store: RunStore, name: str) -> None:
    """Raise RequestError where a study that was planned has this name."""
    try:
        kept = read_json(store.outputs / "studies" / name / "plan.json", SavedPlan, "remove it")
    except FileNotFoundError:
        return
    if not kept.adopted:
        raise RequestError(f"{name} is a study that was planned: type another name, augdistill report NAME runs=...")


def plan_of(chosen: Sequence[Model], rows: Sequence[Model], runs: Sequence[Run], name: str) -> Config:
    """Return the plan, as JSON, of models and of the teachers, among `rows`, that taught them."""
    students = [row for row in chosen if row.run.kind == "student"]
    wanted = {taught_by(row) for row in students} | {row.run.id for row in chosen}
    teachers = [row for row in rows if row.run.kind == "teacher" and row.run.id in wanted]
    facts = {row.run.id: teacher_facts(row) for row in teachers}
    facts |= {row.run.id: student_facts(row, facts.get(taught_by(row))) for row in students}
    for key, what in (("dataset.name", "dataset"), ("teacher.name", "teacher")):
        one_only(key, what, [facts[row.run.id] for row in [*teachers, *students]])
    varied = Varied([facts[row.run.id] for row in teachers], [facts[row.run.id] for row in students])
    places = {row.run.id: place(row, facts[row.run.id], varied) for row in [*teachers, *students]}
    refuse_doubles([*teachers, *students], places)
    stages = [stage(row.run, places[row.run.id]) for row in [*teachers, *students]]
    for run in runs:
        about = run.manifest.document.parents.get("teacher" if run.kind == "outputs" else "run", "")
        if run.kind == "outputs" and about in facts and run.status == "finished":
            stages.append(stage(run, {**places[about], "role": "outputs"}))
    stages += evaluations(runs, places)
    return {"name": name, "study": design(name, teachers, students, facts, varied, places), "stages": stages}


def taught_by(row: Model) -> str:
    """Return the id of a student's teacher, "" for a control, which has none."""
    return row.run.manifest.document.parents.get("teacher", "")


def teacher_facts(row: Model) -> Values:
    """Return what a teacher's config says, by the names that it has in that of a student."""
    found = {f"teacher_{key}" if key.startswith("optim.") else key: value for key, value in row.values.items()}
    found["teacher_seed"] = found.pop("seed", 0)
    if row.run.imported_name is not None:
        found = {key: value for key, value in found.items() if key.startswith("dataset.")}
        found |= {"aug": row.run.imported_name, "teacher.name": row.values.get("imported.model"), "teacher_seed": 0}
    return found


def student_facts(row: Model, teacher: Values | None) -> Values:
    """Return what a student's config says, of its teacher what the teacher's own says; of a control what has effect."""
    about_teachers = ("teacher", "aug")
    own = {key: value for key, value in row.values.items() if not key.split(".")[0].startswith(about_teachers)}
    if is_control(row):
        own = {key: value for key, value in own.items() if not key.startswith("distillation.")}
        return {**own, "teacher_seed": row.values.get("teacher_seed", row.values.get("seed"))}
    return {**(teacher or row.values), **own}


def is_control(row: Model) -> bool:
    """Return whether a student learned from labels alone."""
    return row.run.kind == "student" and row.values.get("distillation.alpha") == 0


def one_only(key: str, what: str, found: Sequence[Values]) -> None:
    """Raise RequestError where values differ in what a design has one of."""
    names = sorted({str(values[key]) for values in found if values.get(key) is not None})
    if len(names) > 1:
        raise RequestError(
            f"runs= are of {len(names)} {what}s, {', '.join(names)}: choose one, as in runs={what}={names[0]},..."
        )


class Varied:
    """The keys in whose values runs differ, apart from what a place says anyway, and the values of the main arm.

    Teachers are compared with teachers, students with those of the same model. In the main arm a key has the value
    that it has in the teachers' one, else its packaged value where some run has that, else the commonest.
    """

    def __init__(self, teachers: Sequence[Values], students: Sequence[Values]) -> None:
        self.packaged = {f"distillation.{key}": value for key, value in parameters("distillation", "default").items()}
        self.base = self._of(teachers, {})
        self.by_student: dict[Value, Values] = {}
        for name in dict.fromkeys(values["student.name"] for values in students):
            own = [values for values in students if values["student.name"] == name]
            self.by_student[name] = self._of(own, self.base)

    def _of(self, group: Sequence[Values], known: Values) -> Values:
        keys = dict.fromkeys(key for values in group for key in values if key not in PLACES)
        found: Values = {}
        for key in keys:
            there = [values[key] for values in group if key in values]
            if len({repr(value) for value in there}) > 1:
                packaged = self.packaged.get(key)
                common = Counter(there).most_common(1)[0][0]
                found[key] = known.get(key, packaged if packaged in there else common)
        return found

    def cell(self, values: Values) -> str:
        """Return the name of the cell that a run is in, "" for the main arm."""
        base = self.by_student.get(values.get("student.name"), self.base)
        own = {key: values[key] for key in base if key in values}
        if all(own[key] == base[key] for key in own):
            return ""
        return ",".join(f"{key}={as_typed(own[key])}" for key in sorted(own, key=in_order))


def as_typed(value: Value) -> str:
    """Return a value as people type it: 4, not 4.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def in_order(key: str) -> tuple[int, str]:
    """Return where a key stands among others: those with a short name first."""
    known = list(LABELS)
    return (known.index(key) if key in known else len(known), key)


def place(row: Model, values: Values, varied: Varied) -> Config:
    """Return where in the design a model stands."""
    seed = {"block": int(values.get("teacher_seed") or 0), "variant": varied.cell(values)}
    if row.run.kind == "teacher":
        of_model = {"role": "teacher", "model": str(values["teacher.name"]), "student_aug": "", "student_seed": -1}
        return {**seed, **of_model, "teacher_aug": str(values["aug"])}
    is_labels = is_control(row)
    return {
        **seed,
        "role": "control" if is_labels else "student",
        "model": str(values["student.name"]),
        "student_aug": str(values["student_aug"]),
        "student_seed": int(row.values.get("seed") or 0),
        "teacher_aug": "labels" if is_labels else str(values["aug"]),
    }


def refuse_doubles(rows: Sequence[Model], places: Mapping[str, Config]) -> None:
    """Raise RequestError for two runs at one place: they differ in what no place says."""
    taken: dict[str, Model] = {}
    for row in rows:
        where = repr(sorted(places[row.run.id].items()))
        other = taken.setdefault(where, row)
        if other is not row:
            names = [one.run.path.name[-8:] for one in (other, row)]
            raise RequestError(
                f"runs= has two at one place, which differ in no value of their configs but the machine's: "
                f"augdistill runs diff {names[0]} {names[1]}; leave one out"
            )


def stage(run: Run, arm: Config) -> Config:
    """Return a run as a stage of a plan."""
    job = {"kind": run.kind, "config": run.manifest.config, "id": run.id}
    parents = list(run.manifest.document.parents.values())
    return {"id": run.id, "kind": run.kind, "folder": run.path.name, "job": job, "parents": parents, "arm": arm}


def evaluations(runs: Sequence[Run], places: Mapping[str, Config]) -> list[Config]:
    """Return the stages that evaluate models, of each on each test set the latest."""
    found: dict[tuple[str, str], Run] = {}
    for run in sorted(runs, key=lambda run: run.manifest.provenance.ended):
        about = run.manifest.document.parents.get("run", "")
        if run.kind == "evaluation" and about in places:
            found[about, run.evaluation.test_set] = run
    return [stage(run, {**places[about], "test_set": test_set}) for (about, test_set), run in found.items()]


def design(
    name: str,
    teachers: Sequence[Model],
    students: Sequence[Model],
    facts: Mapping[str, Values],
    varied: Varied,
    places: Mapping[str, Config],
) -> Config:
    """Return the group `study` that says what these runs are."""
    rows = [*teachers, *students]
    strategies = list(dict.fromkeys(str(facts[row.run.id]["aug"]) for row in rows if "aug" in facts[row.run.id]))
    imported = [one for row in teachers if (one := row.run.imported_name) is not None]
    own = sorted((name for name in strategies if name not in imported), key=lambda name: name != BASELINE)
    recipes = {str(facts[row.run.id]["student.name"]): row.run.manifest.config["optim"] for row in students}
    seeds = Counter(
        repr([value for key, value in sorted(one.items()) if key != "student_seed"]) for one in places.values()
    )
    return {
        "name": name,
        "dataset": rows[0].run.manifest.config["dataset"],
        "teacher": model_of(teachers, students, facts),
        "students": {student: {"name": student, "optim": recipe} for student, recipe in recipes.items()},
        "aug": own,
        "imported": imported,
        "distillation": {key: main(f"distillation.{key}", students, varied) for key in ("alpha", "temperature")},
        "blocks": len({one["block"] for one in places.values()}),
        "students_per_teacher": max(seeds.values()),
        "test_set": None,
    }


def main(key: str, students: Sequence[Model], varied: Varied) -> Value:
    """Return a value of the distillation in the main arm."""
    bases = [base[key] for base in varied.by_student.values() if key in base]
    own = [row.values[key] for row in students if key in row.values and not is_control(row)]
    return next(iter([*bases, *own]), varied.packaged[key])


def model_of(teachers: Sequence[Model], students: Sequence[Model], facts: Mapping[str, Values]) -> Config:
    """Return what a design says of its teachers."""
    for row in teachers:
        config = row.run.manifest.config
        if "teacher" in config:
            return {**config["teacher"], "optim": config["optim"]}
    for row in students:
        config = row.run.manifest.config
        if not is_control(row) and config["distillation"].get("teacher") is None:
            return {**config["teacher"], "optim": config["teacher_optim"]}
    names = [str(facts[row.run.id]["teacher.name"]) for row in teachers]
    return {"name": next(iter(names), "none"), "optim": {}}
