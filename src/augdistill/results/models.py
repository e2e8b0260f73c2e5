"""Trained models by what they reached and by the values of their configs, whoever trained them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError, RequestError
from augdistill.base.reading import read_json
from augdistill.store.documents import EvaluationManifest, ModelManifest
from augdistill.store.plans import SavedPlan
from augdistill.store.runs import Run, RunStore

Value = str | int | float | bool | None
LABELS = {  # dotted key -> what a column is called; these stand first, in this order
    "dataset.name": "dataset",
    "teacher.name": "teacher",
    "student.name": "student",
    "aug": "aug",
    "student_aug": "student_aug",
    "distillation.temperature": "T",
    "distillation.alpha": "alpha",
    "teacher.width": "width",
    "optim.epochs": "epochs",
    "optim.lr": "lr",
    "seed": "seed",
}
OF_A_MACHINE = ("outputs", "runtime.", "wait", "dataset.root", "dataset.verify", "dataset.path")


@dataclass(frozen=True)
class Model:
    """A trained model: its run, its config by dotted key, and accuracy by test set."""

    run: Run
    values: Mapping[str, Value]
    accuracies: Mapping[str, float]

    @property
    def accuracy(self) -> float | None:
        """Return the accuracy on its data set's own test images, else on another test set, else on held-out images."""
        own = f"{self.values.get('dataset.name')}-test"
        first = next(iter(sorted(self.accuracies)), "")
        assert isinstance(self.run.manifest, ModelManifest)
        return self.accuracies.get(own, self.accuracies.get(first, self.run.manifest.validation_accuracy))

    def fact(self, name: str) -> Value:
        """Return what a row says under a column's name, or at a dotted key; None where it has none."""
        facts: dict[str, Value] = {
            "status": "collapsed" if self.run.model.collapsed else self.run.status,
            "accuracy": self.accuracy,
            "kind": self.run.kind,
            "seconds": round(self.run.manifest.provenance.seconds, 1),
            "run": self.run.path.name,
        }
        return facts[name] if name in facts else self.values.get(name)


def models(store: RunStore, kind: str | None = None, study: str | None = None) -> list[Model]:
    """Return every finished or diverged teacher and student, oldest first; of a study those in its plan."""
    found = store.all()
    accuracies: dict[str, dict[str, float]] = {}
    for run in found:
        if isinstance(run.manifest, EvaluationManifest) and run.manifest.accuracy is not None:
            accuracies.setdefault(run.manifest.config["run"], {})[run.manifest.test_set] = run.manifest.accuracy
    wanted = None if study is None else stages_of(store, study)
    chosen = [
        run
        for run in found
        if isinstance(run.manifest, ModelManifest) and kind in (None, run.kind) and (wanted is None or run.id in wanted)
    ]
    chosen.sort(key=lambda run: run.manifest.provenance.ended)
    return [Model(run, flat(run.manifest.config), accuracies.get(run.path.name, {})) for run in chosen]


def stages_of(store: RunStore, study: str) -> set[str]:
    """Return the ids of a study's stages; RequestError where there is no such study."""
    plans = {path.parent.name: path for path in (store.outputs / "studies").glob("*/plan.json")}
    if study not in plans:
        there = ", ".join(sorted(plans)) or "none"
        raise RequestError(
            f"no study {study} below {store.outputs.resolve()}{nearest(study, plans)}: there are {there}"
        )
    return {
        stage.id for stage in read_json(plans[study], SavedPlan, f"augdistill study {study} writes it again").stages
    }


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Return a config by dotted key, its strategies by name too, without what belongs to a machine."""
    found: dict[str, Value] = {}
    for key, value in config.items():
        place = f"{prefix}{key}"
        if place.startswith(OF_A_MACHINE):
            continue
        if place in ("aug", "student_aug") and isinstance(value, Mapping):
            found[place] = "+".join(value.get("ops") or {}) or "baseline"
        if isinstance(value, Mapping):
            found |= flat(value, f"{place}.")
        else:
            found[place] = value if isinstance(value, Value) else json.dumps(value)
    return found


def differing(rows: Sequence[Model]) -> list[str]:
    """Return the dotted keys in whose values rows differ, those with a short name first."""
    keys = dict.fromkeys([*LABELS, *(key for row in rows for key in row.values)])
    return [key for key in keys if len({repr(row.values[key]) for row in rows if key in row.values}) > 1]


def column_names(keys: Sequence[str]) -> dict[str, str]:
    """Return what each key's column is called: its short name, or its last part where that is no other's."""
    last = [key.rpartition(".")[2] for key in keys]
    taken = {*LABELS.values()}
    return {
        key: LABELS.get(key) or (part if last.count(part) == 1 and part not in taken else key)
        for key, part in zip(keys, last, strict=True)
    }


def matching(rows: list[Model], where: Sequence[str], typed: str = "where") -> list[Model]:
    """Return the rows that are as each KEY=VALUE of the option `typed` says; ConfigError for a key that none has."""
    keys = {label: key for key, label in LABELS.items()}
    for word in where:
        name, sign, wanted = word.partition("=")
        key = keys.get(name, name)
        if not sign or (rows and all(row.fact(key) is None for row in rows)):
            known = [*keys, "status", "kind", *sorted({key for row in rows for key in row.values})]
            raise ConfigError(
                f"{typed}={word} names no value of these runs{nearest(name, known)}: as in {typed}=student=lenet,T=4"
            )
        rows = [row for row in rows if is_same(row.fact(key), wanted)]
    return rows


def is_same(value: Value, wanted: str) -> bool:
    """Return whether a value is what was typed, numbers by what they are."""
    try:
        return (
            float(wanted) == value
            if isinstance(value, int | float) and not isinstance(value, bool)
            else str(value) == wanted
        )
    except ValueError:
        return False
