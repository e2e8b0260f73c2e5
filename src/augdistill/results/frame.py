"""A study's results as one table, from its plan and the run store alone: no model is loaded."""

import re
from collections.abc import Mapping, Sequence
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
from augdistill.results.shift import shift_values
from augdistill.store.documents import ModelManifest
from augdistill.store.evaluations import METRICS_FILE
from augdistill.store.plans import (
    CostsStage,
    EvaluationStage,
    ModelStage,
    OutputsStage,
    SavedPlan,
    SavedStage,
    ShiftStage,
)
from augdistill.store.runs import Run, RunStore, read_run

DISTILLATION = "distillation"
VALIDATION = "validation"
ARM = ("role", "model", "teacher_aug", "student_aug", "variant", "block", "student_seed")
ArmKey = tuple[str, str, str, str, str]
"""role, model, teacher_aug, student_aug, variant"""


def load_plan(outputs: Path, name: str) -> SavedPlan:
    """Return the plan.json of a study. Raises RequestError if it was never started or is damaged."""
    require_name("study", name)
    path = outputs / "studies" / name / "plan.json"
    again = f"augdistill study study={name} writes it again"
    try:
        plan = read_json(path, SavedPlan, again)
    except FileNotFoundError:
        hint = nearest(name, [plan.parent.name for plan in path.parents[1].glob("*/plan.json")])
        again = f"start it with augdistill study study={name}"
        raise RequestError(f"no study {name} below {outputs.resolve()}{hint}: {again}") from None
    if plan.name != name:
        raise RequestError(f"{path} is the plan of another study, {plan.name}: {again}")
    return plan


def stage_runs(plan: SavedPlan, store: RunStore) -> dict[str, Run]:
    """Return the runs of a plan's stages that are there, by folder, in the plan's order."""
    found: dict[str, Run] = {}
    for stage in plan.stages:
        run = read_run(store.runs / stage.folder)
        if run is not None and run.id == stage.id:
            found[stage.folder] = run
    return found


def load_results(plan: SavedPlan, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return one row per run and metric: study, ARM, test_set, metric, value, status, run, precision.

    `runs` are those of its stages, by folder. `status` is finished, dead units, collapsed, diverged or missing; a run
    that is not there has one row, its accuracy NaN. What a teacher's outputs say of it on the training images, and what
    a student took of it there, has the test set "distillation", accuracy on a validation split "validation". Accuracy
    within one class is the metric class_accuracy[NAME].
    """
    rows: list[dict[str, Any]] = []
    for stage in plan.stages:
        run, about = runs.get(stage.folder), runs.get(stage.about)
        facts = {**place_of(plan, stage), "status": run_status(about, plan.study.keeps_dead_units)}
        if run is not None:
            facts["precision"] = run.manifest.provenance.precision
        if isinstance(stage, ModelStage):
            value = run.model.validation_accuracy if run is not None else None
            if value is not None:
                rows.append({**facts, "test_set": VALIDATION, "metric": "accuracy", "value": value})
            on_training = run.model.distillation if run is not None else {}
            where = {**facts, "test_set": DISTILLATION}
            rows += [{**where, "metric": name, "value": value} for name, value in on_training.items()]
            if run is None or run.status != "finished":
                rows.append({**facts, "precision": None, "metric": "accuracy", "value": float("nan")})
        elif run is not None and not isinstance(stage, CostsStage):
            classes = classes_of(about)
            scores = read_scores(run, classes)
            values = scores.scalars | class_accuracies(scores, classes) | shift_values(scores.arrays)
            rows += [{**facts, "metric": name, "value": value} for name, value in values.items()]
    columns = ["study", *ARM, "test_set", "metric", "value", "status", "run", "precision"]
    return pd.DataFrame(rows, columns=columns)


def shared_arms(plan: SavedPlan) -> dict[ArmKey, ArmKey]:
    """Return the arms whose runs stand at another variant -> the arm there."""
    found: dict[ArmKey, ArmKey] = {}
    for place in plan.shared:
        common = (place.role, place.model, place.teacher_aug, place.student_aug)
        found[(*common, place.variant)] = (*common, place.stands_at)
    return found


def read_scores(run: Run, classes: Sequence[str]) -> Scores:
    """Return what a run's metrics.json holds; raises RunError if it is damaged, or about other classes than these."""
    path = run.file(METRICS_FILE)
    scores = load_scores(path)
    if classes and scores.classes not in (None, len(classes)):
        raise RunError(f"{path} is about {scores.classes} classes, not {len(classes)}: {removal(run.path)}")
    return scores


def with_shared(results: pd.DataFrame, plan: SavedPlan) -> pd.DataFrame:
    """Return results in which every cell of the grids is whole: the runs that cells share stand in each of them."""
    columns = list(ARM[:5])
    by_arm = dict(list(results.groupby(columns, sort=False)))
    pairs = shared_arms(plan).items()
    more = [by_arm[other].assign(variant=arm[4]) for arm, other in pairs if other in by_arm]
    return pd.concat([results, *more], ignore_index=True)


def values_of(variant: str) -> dict[str, str]:
    """Return key -> value of a grid's cell, as its name has them; {} of the main arm."""
    parts = [part.partition("=") for part in re.split(r",(?=[\w.-]+=)", variant) if part]
    return {key: value for key, _, value in parts}


def with_values(results: pd.DataFrame) -> pd.DataFrame:
    """Return results with a column for each key that a grid varies, after the others; empty in the main arm."""
    variants = results["variant"].fillna("")
    split = {name: values_of(name) for name in variants.unique()}
    keys = dict.fromkeys(key for values in split.values() for key in values)
    return results.assign(**{key: variants.map({name: split[name].get(key, "") for name in split}) for key in keys})


def class_accuracies(scores: Scores, classes: Sequence[str]) -> dict[str, float]:
    """Return the accuracy within each class by metric name; nothing if the classes' names are not known."""
    values = scores.arrays.get("class_accuracy", []) if classes else []
    return {f"class_accuracy[{name}]": value for name, value in zip(classes, values, strict=bool(values))}


def place_of(plan: SavedPlan, stage: SavedStage) -> dict[str, Any]:
    """Return the columns that say where in its study a stage stands."""
    is_outputs = isinstance(stage, OutputsStage)
    place = {key: getattr(stage.arm, key) for key in ARM} | ({"role": "teacher"} if is_outputs else {})
    test_set = DISTILLATION if is_outputs else plan.study.test_set
    if isinstance(stage, EvaluationStage | ShiftStage):
        test_set = stage.arm.test_set
    return {"study": plan.name, **place, "test_set": test_set, "run": stage.about}


def classes_of(run: Run | None) -> tuple[str, ...]:
    """Return the names of the classes of a model's data; none where they are not known."""
    return run.manifest.classes if run is not None and isinstance(run.manifest, ModelManifest) else ()


def run_status(run: Run | None, keeps_dead: bool = True) -> str:
    """Return missing, diverged, collapsed, dead units or finished; by what a run measured, whatever it was called."""
    if run is None:
        return "missing"
    model = run.manifest
    if not isinstance(model, ModelManifest):
        return run.status
    right, dead = model.training_accuracy, model.dead_units
    if run.status != "finished" or not model.classes or right is None or dead is None:
        return COLLAPSED if model.collapsed else run.status
    word = health(right, dead, len(model.classes))
    return COLLAPSED if word == DEAD and not keeps_dead else word or run.status
