"""A study's results as one table, from its plan and the run store alone: no model is loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from augdistill.base.checks import nearest, require_name
from augdistill.base.errors import RequestError, RunError
from augdistill.base.reading import read_json
from augdistill.base.status import COLLAPSED, DEAD
from augdistill.base.text import removal
from augdistill.metrics import Scores
from augdistill.metrics.health import health
from augdistill.results.scores import load_scores
from augdistill.store.documents import PLAN, is_settled
from augdistill.store.evaluations import METRICS_FILE
from augdistill.store.runs import Run, RunStore, read_manifest

DISTILLATION = "distillation"
VALIDATION = "validation"
ARM = ("role", "model", "teacher_aug", "student_aug", "variant", "block", "student_seed")
Arm = tuple[str, str, str, str, str]
"""role, model, teacher_aug, student_aug, variant"""


def load_plan(outputs: Path, name: str) -> dict[str, Any]:
    """Return the plan.json of a study. Raises RequestError if it was never started or is damaged."""
    require_name("study", name)
    path = outputs / "studies" / name / "plan.json"
    again = f"augdistill study study={name} writes it again"
    try:
        plan: dict[str, Any] = read_json(path, PLAN, again)
    except FileNotFoundError:
        hint = nearest(name, [plan.parent.name for plan in path.parents[1].glob("*/plan.json")])
        again = f"start it with augdistill study study={name}"
        raise RequestError(f"no study {name} below {outputs}{hint}: {again}") from None
    if plan["name"] != name:
        raise RequestError(f"{path} is the plan of another study, {plan['name']}: {again}")
    if not is_settled([plan["study"], plan["stages"], plan.get("claims")]):
        raise RequestError(f"{path} asks for values from elsewhere, with ${{...}}, which no plan does: {again}")
    return plan


def load_results(plan: dict[str, Any], store: RunStore) -> pd.DataFrame:
    """Return one row per run and metric: study, ARM, test_set, metric, value, status, run, precision.

    `status` is finished, dead units, collapsed, diverged or missing; a run that is not there has one row, its accuracy
    NaN. What a teacher's outputs say of it on the training images has the test set "distillation", its accuracy on a
    validation split "validation". Accuracy within one class is the metric class_accuracy[NAME].
    """
    keeps_dead = keeps_dead_units(plan)
    status: dict[str, str] = {}
    classes: dict[str, list[str]] = {}
    rows: list[dict[str, Any]] = []
    for stage in plan["stages"]:
        run = found(store, stage)
        if stage["kind"] in ("teacher", "student"):
            status[stage["folder"]] = run_status(run, keeps_dead)
            classes[stage["folder"]] = run.manifest.get("classes", []) if run else []
            if run is not None and "validation_accuracy" in run.manifest:
                facts = {"status": status[stage["folder"]], "precision": run.manifest["provenance"]["precision"]}
                value = run.manifest["validation_accuracy"]
                rows.append({**row(plan, stage), **facts, "test_set": VALIDATION, "metric": "accuracy", "value": value})
            if run is None or run.status != "finished":
                rows.append(
                    {
                        **row(plan, stage),
                        "metric": "accuracy",
                        "value": float("nan"),
                        "status": run_status(run, keeps_dead),
                    }
                )
            continue
        if run is None:
            continue
        evaluated = stage["job"]["config"].get("run", stage["folder"])
        facts = {"status": status.get(evaluated, "finished"), "precision": run.manifest["provenance"]["precision"]}
        scores = read_scores(run, classes.get(evaluated, []))
        values = scores.scalars | class_accuracies(scores, classes.get(evaluated, []))
        place = row(plan, stage)
        rows += [{**place, **facts, "metric": name, "value": value} for name, value in values.items()]
    columns = ["study", *ARM, "test_set", "metric", "value", "status", "run", "precision"]
    return pd.DataFrame(rows, columns=columns)


def shared_arms(plan: dict[str, Any]) -> dict[Arm, Arm]:
    """Return the arms whose runs stand at another variant -> the arm there."""
    found: dict[Arm, Arm] = {}
    for place in plan.get("shared", []):
        role, model, teacher_aug, student_aug = (str(place[key]) for key in ARM[:4])
        own, other = str(place["variant"]), str(place["stands_at"])
        found[role, model, teacher_aug, student_aug, own] = (role, model, teacher_aug, student_aug, other)
    return found


def read_scores(run: Run, classes: Sequence[str]) -> Scores:
    """Return what a run's metrics.json holds; raises RunError if it is damaged, or about other classes than these."""
    path = run.file(METRICS_FILE)
    scores = load_scores(path)
    if classes and scores.classes not in (None, len(classes)):
        raise RunError(f"{path} is about {scores.classes} classes, not {len(classes)}: {removal(run.path)}")
    return scores


def with_shared(results: pd.DataFrame, plan: dict[str, Any]) -> pd.DataFrame:
    """Return results in which every cell of the grids is whole: the runs that cells share stand in each of them."""
    columns = list(ARM[:5])
    by_arm = dict(list(results.groupby(columns, sort=False)))
    pairs = shared_arms(plan).items()
    more = [by_arm[other].assign(variant=arm[4]) for arm, other in pairs if other in by_arm]
    return pd.concat([results, *more], ignore_index=True)


def class_accuracies(scores: Scores, classes: list[str]) -> dict[str, float]:
    """Return the accuracy within each class by metric name; nothing if the classes' names are not known."""
    values = scores.arrays.get("class_accuracy", []) if classes else []
    return {f"class_accuracy[{name}]": value for name, value in zip(classes, values, strict=bool(values))}


def row(plan: dict[str, Any], stage: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that say where in its study a stage stands."""
    arm = stage["arm"]
    is_outputs = stage["kind"] == "outputs"
    place = {key: arm[key] for key in ARM} | ({"role": "teacher"} if is_outputs else {})
    test_set = DISTILLATION if is_outputs else arm.get("test_set", plan["study"]["test_set"])
    run = stage["job"]["config"].get("run", stage["folder"])
    return {"study": plan["name"], **place, "test_set": test_set, "run": run}


def found(store: RunStore, stage: dict[str, Any]) -> Run | None:
    """Return a stage's run if it is there."""
    path = store.runs / stage["folder"]
    manifest = read_manifest(path)
    return Run(path, manifest) if manifest is not None and manifest["id"] == stage["id"] else None


def keeps_dead_units(plan: dict[str, Any]) -> bool:
    """Return whether a study's tests keep students of sound accuracy with many dead units, as they do unless told."""
    return bool(plan["study"].get("dead_units") != COLLAPSED)


def run_status(run: Run | None, keeps_dead: bool = True) -> str:
    """Return missing, diverged, collapsed, dead units or finished; by what a run measured, whatever it was called."""
    if run is None:
        return "missing"
    measured = [run.manifest.get(key) for key in ("training_accuracy", "dead_units")]
    classes = len(run.manifest.get("classes", []))
    if run.status != "finished" or not classes or not all(isinstance(value, float | int) for value in measured):
        return COLLAPSED if run.manifest.get("collapsed") else run.status
    word = health(float(measured[0] or 0), float(measured[1] or 0), classes)
    return COLLAPSED if word == DEAD and not keeps_dead else word or run.status
