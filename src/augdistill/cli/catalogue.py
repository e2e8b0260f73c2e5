"""What `augdistill runs` lists: a row per model, with the values in which they differ."""

import csv
import io
import json
from collections.abc import Sequence

from augdistill.base.checks import nearest, one_of
from augdistill.base.errors import ConfigError, RequestError
from augdistill.results.models import LABELS, Model, Value, column_names, differing, matching, models
from augdistill.store.documents import KINDS
from augdistill.store.runs import MANIFEST, RunStore

MODELS = ("teacher", "student")  # kinds of runs that are models
MOST_COLUMNS = 8  # of values that differ, in a table; CSV and JSON have all
FORMATS = ("table", "csv", "json")


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
        return f"no runs below {store.runs.resolve()}; augdistill train-teacher or augdistill study make some"
    shown = [written(found, form)] if found else []
    return "\n\n".join([*shown, *([table(("state", "without an end"), rows)] if rows else [])])


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
