"""Trained models as rows: what they reached, and the values of their configs in which they differ."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augdistill.base.checks import nearest, one_of
from augdistill.base.errors import ConfigError, RequestError
from augdistill.base.reading import read_json
from augdistill.store.documents import KINDS, EvaluationManifest, ModelManifest
from augdistill.store.plans import SavedPlan
from augdistill.store.runs import MANIFEST, Run, RunStore

MODELS = ("teacher", "student")  # kinds of runs that are models
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
MOST_COLUMNS = 8  # of values that differ, in a table; CSV and JSON have all
FORMATS = ("table", "csv", "json")


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


def list_runs(
    store: RunStore,
    kind: str | None = None,
    study: str | None = None,
    where: Sequence[str] = (),
    sort: str | None = None,
    form: str = "table",
) -> str:
    """Return a row per model, oldest first, then what has no end; a line for each run of another kind.

    `where` are KEY=VALUE that rows have to match; ConfigError for a key, a column or a format that there is not.
    """
    from augdistill.cli.listing import runs_table, table
    from augdistill.store.unfinished import folders, unfinished

    if kind is not None:
        one_of("kind", kind, KINDS)
    if kind not in (None, *MODELS):
        return runs_table(sorted(store.all(kind), key=lambda run: run.manifest.provenance.ended))
    found = in_order(matching(models(store, kind, study), where), sort)
    if form != "table" or study or where:
        return written(found, form) if found or form != "table" else "no model is so: augdistill runs lists them"
    begun = unfinished(store, [path for path in folders(store, kind).values() if not (path / MANIFEST).exists()])
    rows = [(run.state, run.name) for run in begun]
    if not found and not rows:
        return f"no runs below {store.runs}; augdistill train-teacher or augdistill study make some"
    shown = [written(found, form)] if found else []
    return "\n\n".join([*shown, *([table(("state", "without an end"), rows)] if rows else [])])


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
        raise RequestError(f"no study {study} below {store.outputs}{nearest(study, plans)}: there are {there}")
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


def matching(rows: list[Model], where: Sequence[str]) -> list[Model]:
    """Return the rows that are as each KEY=VALUE says; ConfigError for a key that none has."""
    keys = {label: key for key, label in LABELS.items()}
    for word in where:
        name, sign, wanted = word.partition("=")
        key = keys.get(name, name)
        if not sign or (rows and all(row.fact(key) is None for row in rows)):
            known = [*keys, "status", "kind", *sorted({key for row in rows for key in row.values})]
            raise ConfigError(
                f"where={word} names no value of these runs{nearest(name, known)}: as in where=student=lenet,T=4"
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


def in_order(rows: list[Model], sort: str | None) -> list[Model]:
    """Return rows by a column: the best accuracy first, else from small to large, those without one last."""
    if sort is None:
        return rows
    key = {label: key for key, label in LABELS.items()}.get(sort, sort)
    if rows and all(row.fact(key) is None for row in rows):
        raise ConfigError(
            f"sort={sort} is no column{nearest(sort, ['accuracy', 'seconds', *LABELS.values()])}: as in sort=accuracy"
        )

    def place(row: Model) -> tuple[bool, bool, float, str]:
        value = row.fact(key)
        number = float(value) if isinstance(value, int | float) else 0.0
        return value is None, isinstance(value, str), -number if sort == "accuracy" else number, str(value)

    return sorted(rows, key=place)


def rows_of(found: Sequence[Model], *, shortened: bool) -> tuple[list[str], list[list[Value]]]:
    """Return the header and the rows of a listing: a run by the eight digits of its name, or by all of it."""
    keys = differing(found)
    names = column_names(keys)
    shown = keys[:MOST_COLUMNS] if shortened else keys
    header = ["status", "accuracy", "kind", *(names[key] for key in shown), "seconds", "run"]
    rows = [[row.fact(name) for name in ("status", "accuracy", "kind", *shown, "seconds", "run")] for row in found]
    return header, rows


def written(found: Sequence[Model], form: str) -> str:
    """Return a listing as text in columns, CSV or JSON; accuracies are shares, in the table percent."""
    from augdistill.cli.listing import table

    one_of("format", form, FORMATS)
    header, rows = rows_of(found, shortened=form == "table")
    if form == "json":
        return json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1)
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        return text.getvalue().rstrip("\n")
    more = len(differing(found)) - MOST_COLUMNS
    note = f"\nThey differ in {more} more values: format=csv has all." if more > 0 else ""
    return table(header, [[*map(cell, header[:-1], row[:-1]), str(row[-1])[-8:]] for row in rows]) + note


def cell(name: str, value: Value) -> str:
    """Return a value as a table has it."""
    if value is None:
        return ""
    if name == "accuracy":
        return f"{100 * float(value):.2f} %"
    return f"{value:g}" if isinstance(value, float) else str(value)


def difference(store: RunStore, target: str | None, other: str | None) -> str:
    """Return the values of their configs, and the accuracies, in which two models differ, a line each."""
    from augdistill.cli.listing import table

    if target is None or other is None:
        raise RequestError("diff which two runs? type augdistill runs diff RUN RUN; augdistill runs lists them")
    found = {row.run.path.name: row for row in models(store)}
    pair = [store.get(name).path.name for name in (target, other)]
    if absent := [name for name in pair if name not in found]:
        raise RequestError(f"{absent[0]} is no model: augdistill runs diff compares teachers and students")
    a, b = (found[name] for name in pair)
    keys = dict.fromkeys([*LABELS, *a.values, *b.values])
    rows = [
        (key, *("-" if key not in row.values else cell("", row.values[key]) or "null" for row in (a, b)))
        for key in keys
        if a.values.get(key) != b.values.get(key) or (key in a.values) != (key in b.values)
    ]
    for test_set in sorted({*a.accuracies, *b.accuracies}):
        rows.append((f"accuracy on {test_set}", *(cell("accuracy", row.accuracies.get(test_set)) for row in (a, b))))
    return table(("", *pair), rows)
