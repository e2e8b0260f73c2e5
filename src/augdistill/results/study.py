"""A study as it lies on disk: its plan, its runs and their results. Nothing here loads a model."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from augdistill.base.errors import RunError
from augdistill.base.reading import damage, read_arrays, read_text
from augdistill.base.status import KEPT
from augdistill.base.text import removal
from augdistill.claims.schema import BASELINE
from augdistill.data import test_set_name
from augdistill.results.frame import ARM, found, keeps_dead_units, load_plan, load_results, read_scores, run_status
from augdistill.store.runs import Run, RunStore

LABELS = "labels"
TRAINED = ("teacher", "student")  # kinds of stages that train a model


@dataclass(frozen=True)
class Place:
    """Where in its study a trained run stands, what became of it, and the run if it is there."""

    role: str
    model: str
    teacher_aug: str
    student_aug: str
    variant: str
    block: int
    student_seed: int
    folder: str
    status: str
    run: Run | None
    config: dict[str, Any]

    @property
    def arm(self) -> tuple[str, str, str, str, str]:
        return (self.role, self.model, self.teacher_aug, self.student_aug, self.variant)


def is_predicted(name: str, values: "np.ndarray[Any, Any]", rows: int, classes: int) -> bool:
    """Say whether an array of predictions.npz is what its name says: of so many images and classes, and finite."""
    if name == "labels":
        return values.shape == (rows,) and values.dtype.kind == "i" and set(np.unique(values)) <= set(range(classes))
    shaped = values.shape == (rows, classes) if name == "logits" else values.ndim == 2 and len(values) == rows
    return shaped and values.dtype.kind == "f" and bool(np.isfinite(values).all())


class SavedStudy:
    """One study's plan, runs and results; `plan` is what plan.json holds."""

    def __init__(self, plan: dict[str, Any], store: RunStore) -> None:
        self.plan = plan
        self.store = store
        self._rows: dict[str, int] = {}  # test set -> its images, as the first predictions say

    @classmethod
    def load(cls, name: str, outputs: Path) -> "SavedStudy":
        """Return the study of this name. Raises RequestError if it was never started."""
        return cls(load_plan(outputs, name), RunStore(outputs))

    @property
    def name(self) -> str:
        return str(self.plan["name"])

    @property
    def design(self) -> dict[str, Any]:
        """The composed `study` group."""
        return dict(self.plan["study"])

    @property
    def folder(self) -> Path:
        return self.store.outputs / "studies" / self.name

    @property
    def test_set(self) -> str:
        """The test set of the training distribution; older plans do not call it after a user's own folder."""
        named = self.design["test_set"] or test_set_name(self.dataset)
        own = test_set_name(self.dataset, self.design["dataset"])
        return own if named == test_set_name(self.dataset) and own in self.test_sets else str(named)

    @property
    def dataset(self) -> str:
        return str(self.design["dataset"]["name"])

    @property
    def augs(self) -> list[str]:
        """The teachers' strategies, in the study's order."""
        return list(self.design["aug"])

    @property
    def base(self) -> str:
        """The strategy with which the others are compared."""
        named = self.design.get("base")
        return str(named) if named else BASELINE if BASELINE in self.augs else self.augs[0]

    @property
    def teacher(self) -> str:
        return str(self.design["teacher"]["name"])

    @property
    def students(self) -> list[str]:
        """The students' models, in the study's order."""
        return list(dict.fromkeys(str(student["name"]) for student in self.design["students"].values()))

    @property
    def models(self) -> list[tuple[str, str]]:
        """(role, model) of the teacher and of every student."""
        return [("teacher", self.teacher), *(("student", name) for name in self.students)]

    @property
    def blocks(self) -> int:
        return int(self.design["blocks"])

    @cached_property
    def variants(self) -> list[str]:
        """The main arm, "", and every cell of the study's grids that has a run of its own."""
        return list(dict.fromkeys(["", *(place.variant for place in self.places if place.role != "teacher")]))

    @property
    def meta(self) -> dict[str, Any]:
        """What the verdicts need to know of the design."""
        design = self.design
        named = {"name": self.name, "augs": self.augs, "students": self.students, "dataset": self.dataset}
        kept = ("blocks", "students_per_teacher", "claims", "primary", "margins", "looks")
        judged = {"base": self.base, "test_set": self.test_set}
        return {**{key: design[key] for key in kept if key in design}, **named, **judged}

    @cached_property
    def results(self) -> pd.DataFrame:
        return load_results(self.plan, self.store)

    @cached_property
    def places(self) -> list[Place]:
        """Every teacher and student of the plan, in its order."""
        keeps_dead = keeps_dead_units(self.plan)
        places = []
        for stage in self.plan["stages"]:
            if stage["kind"] in TRAINED:
                manifest = self.manifests.get(stage["folder"])
                run = Run(self.store.runs / stage["folder"], manifest) if manifest else None
                facts = {key: stage["arm"][key] for key in ARM}
                config = stage["job"]["config"]
                places.append(
                    Place(**facts, folder=stage["folder"], status=run_status(run, keeps_dead), run=run, config=config)
                )
        return places

    @cached_property
    def manifests(self) -> dict[str, dict[str, Any]]:
        """Folder -> manifest, of every stage of the plan that is there."""
        runs = ((stage["folder"], found(self.store, stage)) for stage in self.plan["stages"])
        return {folder: run.manifest for folder, run in runs if run is not None}

    @cached_property
    def test_sets(self) -> list[str]:
        """The test sets that the plan evaluates on, in its order."""
        stages = (stage for stage in self.plan["stages"] if stage["kind"] == "evaluation")
        return list(dict.fromkeys(stage["arm"]["test_set"] for stage in stages))

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes; empty if no run is there yet."""
        manifests = (place.run.manifest for place in self.places if place.run)
        return next((list(manifest["classes"]) for manifest in manifests if "classes" in manifest), [])

    @cached_property
    def _evaluations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(run's folder, test set) -> the stage that evaluates it."""
        stages = (stage for stage in self.plan["stages"] if stage["kind"] == "evaluation")
        return {(stage["job"]["config"]["run"], stage["arm"]["test_set"]): stage for stage in stages}

    def evaluation(self, folder: str, test_set: str) -> Run | None:
        """Return the evaluation of a run on a test set, if it is there."""
        stage = self._evaluations.get((folder, test_set))
        manifest = self.manifests.get(stage["folder"]) if stage else None
        return Run(self.store.runs / stage["folder"], manifest) if stage and manifest else None

    def arrays(self, place: Place, test_set: str) -> dict[str, Any] | None:
        """Return the arrays of a run's metrics.json (confusion, reliability, ...), None if it was not evaluated."""
        evaluation = self.evaluation(place.folder, test_set)
        if evaluation is None:
            return None
        return read_scores(evaluation, self.classes).arrays

    def predictions(self, folder: str, test_set: str, *names: str) -> tuple["np.ndarray[Any, Any]", ...] | None:
        """Return arrays of predictions.npz by name (logits, labels, embeddings), None if one is not there."""
        evaluation = self.evaluation(folder, test_set)
        if evaluation is None or "predictions.npz" not in evaluation.manifest["files"]:
            return None
        path = evaluation.file("predictions.npz")
        arrays = read_arrays(path, removal(path.parent), names)
        if not set(names) <= set(arrays):
            return None
        rows = self._rows.setdefault(test_set, len(np.atleast_1d(arrays[names[0]])))
        wrong = [name for name in names if not is_predicted(name, arrays[name], rows, len(self.classes))]
        if wrong:
            raise RunError(f"{path} holds {wrong[0]} of another shape or type: {removal(path.parent)}")
        return tuple(arrays[name] for name in names)

    def correct(self, folder: str, test_set: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None":
        """Return whether a run classifies each image of a test set correctly, bool [N]; None without predictions."""
        arrays = self.predictions(folder, test_set, "logits", "labels")
        return None if arrays is None else np.asarray(arrays[0].argmax(axis=1) == arrays[1])

    def history(self, place: Place) -> list[dict[str, float]]:
        """Return a run's history, one row per epoch; empty if there is none."""
        if place.run is None or "history.csv" not in place.run.manifest["files"]:
            return []
        path = place.run.file("history.csv")
        with damage(path, removal(path.parent)):
            rows = csv.DictReader(read_text(path).splitlines())
            return [{key: float(value) for key, value in row.items() if value} for row in rows]

    def of(self, role: str, model: str, teacher_aug: str, student_aug: str, variant: str = "") -> Iterator[Place]:
        """Yield the runs of one arm that finished in good health."""
        arm = (role, model, teacher_aug, student_aug, variant)
        return (place for place in self.places if place.arm == arm and place.status in KEPT)

    def plain(self, role: str, model: str, teacher_aug: str) -> Iterator[Place]:
        """Yield the finished runs of a teacher, or of students that were not augmented themselves."""
        return self.of(role, model, teacher_aug, "" if role == "teacher" else BASELINE)
