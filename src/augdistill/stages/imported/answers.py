"""Logits or probabilities of the training images that something else computed: read, put in order, and checked."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from augdistill.base import reading
from augdistill.base.checks import nearest
from augdistill.base.errors import DataError, RequestError

ADVICE = "save numpy arrays: numpy.save(FILE, logits), or numpy.savez(FILE, logits=..., index=...)"
KEYS = ("index", "name")
NEAR_ONE = 1e-3  # what sums of float16 probabilities may differ by
SMALLEST = 1e-30  # of a probability, so that its logarithm is finite

NamesOf = Callable[[], Sequence[str]]
"""The names of the training images' files, in the data set's order; raises DataError where they have none."""


class Answers(NamedTuple):
    """Logits float32 [N,K] in the data set's order, what they were in the file, and by what the rows were ordered."""

    logits: np.ndarray
    were: str
    ordered_by: str


class Table(NamedTuple):
    """What a file holds: values [N,K], their kind if it says so, keys if it has any, names of columns if it has any."""

    values: np.ndarray
    kind: str | None = None
    keys: tuple[str, np.ndarray] | None = None
    columns: tuple[str, ...] | None = None


def read_answers(path: Path, count: int, classes: Sequence[str], names_of: NamesOf) -> Answers:
    """Return what a .npy, .npz or .csv file says of `count` training images of `classes`.

    Raises RequestError for a file that is no such table, DataError for other numbers of images or classes, NaN, rows
    that are no probabilities, and keys that are missing, doubled or unknown.
    """
    readers = {".npy": read_npy, ".npz": read_npz, ".csv": read_csv}
    if path.suffix not in readers:
        raise RequestError(f"predictions={path} is no .npy, .npz or .csv: {ADVICE}")
    if not path.is_file():
        raise RequestError(f"predictions={path} is not a file: {ADVICE}")
    table = readers[path.suffix](path)
    values = table.values
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise DataError(f"predictions={path}: shape {values.shape} of {values.dtype}, numbers [N, K] are needed")
    if values.shape != (count, len(classes)):
        wanted = f"{count:,} training images and {len(classes)} classes"
        raise DataError(f"predictions={path}: {values.shape[0]:,} rows of {values.shape[1]}; the data set has {wanted}")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        raise DataError(f"predictions={path}: NaN or infinite numbers in {len(bad)} rows, first row {bad[0]}")
    values = values[:, order_of_columns(path, table.columns, classes)]
    if table.keys is not None:
        values = values[order_of_rows(path, *table.keys, count, names_of)]
    kind = table.kind or ("probabilities" if sum_to_one(values) else "logits")
    if kind == "probabilities":
        if not sum_to_one(values):
            raise DataError(f"predictions={path}: rows of its probabilities do not sum to 1: save logits instead")
        values = np.log(np.maximum(values / values.sum(axis=1, keepdims=True), SMALLEST))
    ordered_by = "the data set's order" if table.keys is None else table.keys[0]
    return Answers(values.astype(np.float32), kind, ordered_by)


def sum_to_one(values: np.ndarray) -> bool:
    """Return whether all rows [N,K] are probabilities."""
    return bool((values >= 0).all() and (np.abs(values.sum(axis=1) - 1) < NEAR_ONE).all())


def read_npy(path: Path) -> Table:
    """Return the table in a .npy file."""
    return Table(reading.read_array(path, ADVICE))


def read_npz(path: Path) -> Table:
    """Return the table in an .npz file: `logits` or `probabilities`, and `index` or `name` if it has one."""
    arrays = reading.read_arrays(path, ADVICE)
    kinds = [name for name in ("logits", "probabilities") if name in arrays]
    if len(kinds) != 1:
        raise RequestError(f"predictions={path} holds {', '.join(arrays) or 'nothing'}: one of logits, probabilities")
    keys = [name for name in KEYS if name in arrays]
    return Table(arrays[kinds[0]], kinds[0], (keys[0], arrays[keys[0]]) if keys else None)


def read_csv(path: Path) -> Table:
    """Return the table in a .csv file: names of columns first, of which `index` or `name` says whose a row is."""
    with reading.damage(path, ADVICE), reading.opened(path, reading.MAX_ARRAYS) as file:
        rows = list(csv.reader(io.StringIO(file.read().decode(), newline="")))
    if len(rows) < 2:
        raise RequestError(f"predictions={path} holds no rows below the names of its columns")
    header, body = [name.strip() for name in rows[0]], [row for row in rows[1:] if row]
    uneven = next((number for number, row in enumerate(body, 2) if len(row) != len(header)), None)
    if uneven is not None:
        raise DataError(f"predictions={path}: line {uneven} has another number of cells than the first line")
    keyed = [name for name in KEYS if name in header]
    if all(is_number(name) for name in header) and [float(name) for name in header] != list(range(len(header))):
        raise RequestError(f"predictions={path} begins with numbers: its first line names the columns, the classes")
    at = header.index(keyed[0]) if keyed else None
    try:
        values = np.array([[float(cell) for place, cell in enumerate(row) if place != at] for row in body])
    except ValueError as error:
        raise DataError(f"predictions={path}: {error}") from None
    columns = tuple(name for place, name in enumerate(header) if place != at)
    keys = None if at is None else (keyed[0], np.array([row[at].strip() for row in body]))
    return Table(values, None, keys, columns)


def is_number(text: str) -> bool:
    """Return whether text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def order_of_columns(path: Path, columns: tuple[str, ...] | None, classes: Sequence[str]) -> list[int]:
    """Return which column each class stands in; DataError where columns are called otherwise than the classes."""
    numbered = tuple(map(str, range(len(classes))))
    if columns is None or columns == numbered:
        return list(range(len(classes)))
    wrong = next((name for name in columns if name not in classes), None)
    if wrong is not None or len(set(columns)) < len(columns):
        name = wrong if wrong is not None else next(name for name in columns if columns.count(name) > 1)
        allowed = f"the classes {', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}, or 0, 1, ..."
        raise DataError(f"predictions={path}: the column {name[:80]!r}{nearest(name, classes)}; columns are {allowed}")
    return [columns.index(name) for name in classes]


def order_of_rows(path: Path, key: str, keys: np.ndarray, count: int, names_of: NamesOf) -> np.ndarray:
    """Return which row each training image has; DataError for keys that are missing, doubled or of no image."""
    if keys.shape != (count,):
        raise DataError(f"predictions={path}: {key} has shape {keys.shape}, one for each of {count:,} rows is needed")
    wanted: list[Any] = list(range(count)) if key == "index" else list(names_of())
    try:
        given = [int(value) for value in keys] if key == "index" else [str(value) for value in keys]
    except ValueError:
        raise DataError(f"predictions={path}: index holds what is no whole number") from None
    rows: dict[Any, int] = {}
    for row, value in enumerate(given):
        if value in rows:
            raise DataError(f"predictions={path}: {key} {value} is there twice, in rows {rows[value]} and {row}")
        rows[value] = row
    places = set(wanted)
    if (unknown := next((value for value in given if value not in places), None)) is not None:
        hint = nearest(unknown, wanted[:2000]) if key == "name" else ""
        raise DataError(f"predictions={path}: {key} {str(unknown)[:80]} is of no training image{hint}")
    return np.array([rows[value] for value in wanted])
