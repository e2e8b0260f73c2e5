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
from augdistill.claims.arms import BASELINE
from augdistill.claims.schema import Claims, load_claims, parse_claims
from augdistill.data import test_set_name
from augdistill.results.costs import NetworkCosts, network_costs
from augdistill.results.frame import load_plan, load_results, read_scores, run_status, stage_runs
from augdistill.results.shift import with_relative_errors
from augdistill.store.documents import ModelManifest
from augdistill.store.evaluations import PREDICTIONS
from augdistill.store.plans import Design, EvaluationStage, ModelStage, OutputsStage, SavedPlan, SavedStage, ShiftStage
from augdistill.store.runs import Run, RunStore

LABELS = "labels"
MATCHING = "matching"  # among students' own strategies: those of their teachers


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
    """One study's plan, runs and results."""

    def __init__(self, plan: SavedPlan, store: RunStore) -> None:
        self.plan = plan
        self.store = store
        self._rows: dict[str, int] = {}  # test set -> its images, as the first predictions say

    @classmethod
    def load(cls, name: str, outputs: Path) -> "SavedStudy":
        """Return the study of this name. Raises RequestError if it was never started."""
        return cls(load_plan(outputs, name), RunStore(outputs))

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def design(self) -> Design:
        """The composed `study` group."""
        return self.plan.study

    @property
    def folder(self) -> Path:
        return self.store.outputs / "studies" / self.name

    @property
    def test_set(self) -> str:
        """The test set of the training distribution; older plans do not call it after a user's own folder."""
        named = self.design.test_set or test_set_name(self.dataset)
        own = test_set_name(self.dataset, self.design.written["dataset"])
        return own if named == test_set_name(self.dataset) and own in self.test_sets else named

    @property
    def dataset(self) -> str:
        return self.design.dataset.name

    @property
    def augs(self) -> list[str]:
        """The teachers' strategies, in the study's order, then the teachers that were imported."""
        return [*self.design.aug, *self.design.imported, *self.ensembles]

    @property
    def base(self) -> str:
        """The strategy with which the others are compared."""
        return self.design.base or (BASELINE if BASELINE in self.augs else self.augs[0])

    @property
    def teacher(self) -> str:
        return self.design.teacher.name

    @property
    def students(self) -> list[str]:
        """The students' models, in the study's order."""
        return list(dict.fromkeys(student.name for student in self.design.students.values()))

    @property
    def models(self) -> list[tuple[str, str]]:
        """(role, model) of the teacher and of every student."""
        return [("teacher", self.teacher), *(("student", name) for name in self.students)]

    @property
    def blocks(self) -> int:
        return self.design.blocks

    @cached_property
    def variants(self) -> list[str]:
        """The main arm, "", and every cell of the study's grids that has a run of its own."""
        return list(dict.fromkeys(["", *(place.variant for place in self.places if place.role != "teacher")]))

    @cached_property
    def claims(self) -> Claims:
        """The claims that it is judged by: those of its own file, which its plan keeps, or the package's."""
        own = self.plan.claims
        return load_claims() if own is None else parse_claims(own, str(self.folder / "plan.json"))

    @property
    def has_own_claims(self) -> bool:
        return self.plan.claims is not None

    @property
    def ensembles(self) -> list[str]:
        """The arms that several teachers teach, by name."""
        places = (stage.arm.teacher_aug for stage in self.plan.stages if isinstance(stage, ModelStage))
        known = {*self.design.aug, *self.design.imported, LABELS}
        return list(dict.fromkeys(name for name in places if name.startswith("ensemble-") and name not in known))

    @property
    def question(self) -> str | None:
        """What its page asks; None for what every page asks."""
        return self.design.question

    @property
    def meta(self) -> dict[str, Any]:
        """What the verdicts need to know of the design."""
        design = self.design
        named = {"name": self.name, "augs": self.augs, "students": self.students, "dataset": self.dataset}
        asked = {"claims": design.claims, "primary": design.primary, "margins": design.margins}
        planned = {"blocks": design.blocks, "looks": design.looks}
        own = [name for name in design.written.get("student_aug", ()) if name != MATCHING]
        more = {"student_augs": own} if own else {}
        return {**named, **asked, **planned, **more, "base": self.base, "test_set": self.test_set}

    @cached_property
    def results(self) -> pd.DataFrame:
        return with_relative_errors(load_results(self.plan, self.runs), self.base)

    @cached_property
    def shift_sets(self) -> list[str]:
        """What the plan evaluates under, beside its test sets, in its order: digits-test+made-corruptions, ..."""
        stages = (stage for stage in self.plan.stages if isinstance(stage, ShiftStage))
        return list(dict.fromkeys(stage.arm.test_set for stage in stages))

    @cached_property
    def places(self) -> list[Place]:
        """Every teacher and student of the plan, in its order."""
        places = []
        for stage in self.plan.stages:
            if isinstance(stage, ModelStage):
                run = self.runs.get(stage.folder)
                status = run_status(run, self.design.keeps_dead_units)
                facts = {**dict(stage.arm), "folder": stage.folder, "config": stage.job.config}
                places.append(Place(**facts, status=status, run=run))
        return places

    @cached_property
    def costs(self) -> list[NetworkCosts]:
        """What its networks cost to run, as far as they were measured."""
        return network_costs(self)

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Folder -> run, of every stage of the plan that is there, in its order."""
        return stage_runs(self.plan, self.store)

    @cached_property
    def scored(self) -> list[tuple[SavedStage, Run]]:
        """The stages that hold scores, evaluations and teachers' outputs, with their runs, as far as they are there."""
        stages = (stage for stage in self.plan.stages if isinstance(stage, EvaluationStage | OutputsStage))
        return [(stage, self.runs[stage.folder]) for stage in stages if stage.folder in self.runs]

    @cached_property
    def test_sets(self) -> list[str]:
        """The test sets that the plan evaluates on, in its order."""
        return list(dict.fromkeys(test_set for _, test_set in self._evaluations))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none if no run is there yet."""
        manifests = (run.manifest for run in self.runs.values())
        return next((manifest.classes for manifest in manifests if isinstance(manifest, ModelManifest)), ())

    @cached_property
    def _evaluations(self) -> dict[tuple[str, str], str]:
        """(run's folder, test set) -> the folder of the evaluation of that run."""
        stages = (stage for stage in self.plan.stages if isinstance(stage, EvaluationStage))
        return {(stage.about, stage.arm.test_set): stage.folder for stage in stages}

    @cached_property
    def _shifts(self) -> dict[tuple[str, str], str]:
        """(run's folder, shifted set) -> the folder of the evaluation of that run."""
        stages = (stage for stage in self.plan.stages if isinstance(stage, ShiftStage))
        return {(stage.about, stage.arm.test_set): stage.folder for stage in stages}

    def shift_arrays(self, place: Place, where: str) -> dict[str, Any] | None:
        """Return the arrays of a run's evaluation under shift (corruptions, radii, ...), None if it is not there."""
        run = self.runs.get(self._shifts.get((place.folder, where), ""))
        return None if run is None else read_scores(run, self.classes).arrays

    def evaluation(self, folder: str, test_set: str) -> Run | None:
        """Return the evaluation of a run on a test set, if it is there."""
        return self.runs.get(self._evaluations.get((folder, test_set), ""))

    def arrays(self, place: Place, test_set: str) -> dict[str, Any] | None:
        """Return the arrays of a run's metrics.json (confusion, reliability, ...), None if it was not evaluated."""
        evaluation = self.evaluation(place.folder, test_set)
        if evaluation is None:
            return None
        return read_scores(evaluation, self.classes).arrays

    def predictions(self, folder: str, test_set: str, *names: str) -> tuple["np.ndarray[Any, Any]", ...] | None:
        """Return arrays of predictions.npz by name (logits, labels, embeddings), None if one is not there."""
        evaluation = self.evaluation(folder, test_set)
        if evaluation is None or PREDICTIONS not in evaluation.manifest.files:
            return None
        path = evaluation.file(PREDICTIONS)
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
        if place.run is None or "history.csv" not in place.run.manifest.files:
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
