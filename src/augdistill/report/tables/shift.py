"""Tables under shift: corruptions beside natural shifts, unknown images, what students inherit of their teachers."""

from itertools import product

from augdistill.metrics.unknown import SCORES
from augdistill.report.tables.layout import Column, Line, Row, Table, Wanted, build
from augdistill.report.tables.paper import STRATEGY, heading, image_sets, strategies
from augdistill.results import labels
from augdistill.results.cells import Cells, arm
from augdistill.results.inheritance import Change, Inherited, inheritance, questions
from augdistill.results.shift import RELATIVE
from augdistill.results.study import SavedStudy


def shifted_accuracy(saved: SavedStudy, cells: Cells) -> Table | str:
    """Accuracy as trained, under natural shift and under corruptions, with the ECE and the relative error there."""
    columns: list[tuple[Column, tuple[str, str], str, str]] = []
    corrupted = [where for where in saved.shift_sets if cells.has("accuracy", where)]
    for role, model in saved.models:
        group = heading(role, model)
        asked = [("accuracy", where) for where in image_sets(saved, cells)]
        asked += [(metric, where) for where in corrupted for metric in ("accuracy", "ece", RELATIVE)]
        for metric, where in asked:
            label = f"{labels.column(metric)}, {labels.test_set(where)}"
            columns.append((Column(group, label), (role, model), metric, where))
    notes = [
        "Under corruptions: means over 15 corruptions and their severities. Corruption error: the error under each "
        f"over that of the {labels.strategy(saved.base)} arm of the same block, a mean over corruptions."
    ]
    if any("+" in where for where in corrupted):
        notes.append("Made corruptions are made here, and are not the published CIFAR-10-C or CIFAR-100-C.")
    return of_strategies("table-shift-accuracy", saved, cells, columns, notes)


def under_attack(saved: SavedStudy, cells: Cells) -> Table | str:
    """Accuracy under each attack by radius, beside that under noise and under the attack on another model."""
    columns: list[tuple[Column, tuple[str, str], str, str]] = []
    for where, (role, model) in product(saved.shift_sets, saved.models):
        metrics = dict.fromkeys(saved.results["metric"][saved.results["test_set"] == where])
        radii = [radius for name in metrics if name.startswith("accuracy[") and (radius := radius_of(name))]
        group = f"{heading(role, model)}, {labels.test_set(where)}, %"
        asked = [(f"{radius}/255", f"accuracy[{radius}]") for radius in radii]
        asked += [(f"{word}, {radii[-1]}/255", f"{way}_accuracy[{radii[-1]}]") for way, word in WAYS.items() if radii]
        columns += [(Column(group, label), (role, model), metric, where) for label, metric in asked]
    notes = [
        "At 0 nothing is changed. Noise is of the same size; a transferred attack is made on the control of the same "
        "block. Where either leaves less right than the attack itself, the model’s gradients hide its errors."
    ]
    return of_strategies("table-shift-attack", saved, cells, columns, notes)


WAYS = {"noise": "noise", "transfer": "transferred"}


def radius_of(metric: str) -> str:
    """Return the radius in a metric's name as it is written there, nothing where it is of no radius."""
    inner = metric.partition("[")[2].rstrip("]")
    return inner if inner.replace(".", "", 1).isdigit() else ""


def unknown_images(saved: SavedStudy, cells: Cells) -> Table | str:
    """AUROC by every score, and the false positives of the most probable class, beside each set of unknown images."""
    columns: list[tuple[Column, tuple[str, str], str, str]] = []
    metrics = [*(f"auroc_{score}" for score in SCORES), "fpr95_msp"]
    for where, (role, model), metric in product(saved.shift_sets, saved.models, metrics):
        group = f"{heading(role, model)}, {labels.test_set(where)}"
        columns.append((Column(group, labels.column(metric)), (role, model), metric, where))
    notes = ["AUROC: the share of pairs of a known and an unknown image in which the known one has the higher score."]
    return of_strategies("table-shift-unknown", saved, cells, columns, notes)


def of_strategies(
    key: str,
    saved: SavedStudy,
    cells: Cells,
    columns: list[tuple[Column, tuple[str, str], str, str]],
    notes: list[str],
) -> Table | str:
    """Return a table of a row for each strategy; of each column that any run has a value for."""
    kept = [column for column in columns if cells.has(column[2], column[3])]

    def wanted(strategy: str) -> tuple[Wanted, ...]:
        return tuple(
            None if strategy == "labels" and model[0] == "teacher" else (arm(*model, strategy), metric, where)
            for _, model, metric, where in kept
        )

    lines = [Line((labels.strategy(name),), wanted(name)) for name in strategies(saved)]
    return build(key, [STRATEGY], [column for column, *_ in kept], lines, cells, notes=notes)


def inherited(saved: SavedStudy, cells: Cells) -> Table | str:
    """What each strategy changes in the teachers, in their students, and the students' share of it."""
    found = [one for metric, where in questions(saved, cells) for one in inheritance(saved, cells, metric, where)]
    if not found:
        return f"no healthy students of the {labels.strategy(saved.base)} teacher and of another are there yet"
    titles = ("Under", STRATEGY, "Student", "Teachers’ change", "Students’ change", "Students’ share")
    notes = (
        f"Changes: mean over blocks minus that of the {labels.strategy(saved.base)} arm, 95 % intervals by Welch in "
        "brackets, not adjusted for their number; of accuracies in percentage points.",
        "A share is given where the interval of the teachers’ change has no 0 in it.",
    )
    rows = tuple(Row(line(one), ()) for one in found)
    return Table("table-shift-inherited", titles, (), rows, notes, ())


def line(one: Inherited) -> tuple[str, ...]:
    """Return the texts of one row."""
    under = f"{labels.column(one.metric)}, {labels.test_set(one.test_set)}"
    places = labels.digits(one.metric, one.test_set)
    share = "–" if one.share != one.share else f"{100 * one.share:.0f} %".replace("-", "−")
    changes = (words(change, places) for change in (one.of_teacher, one.of_student))
    return (under, labels.strategy(one.strategy), labels.model(one.student), *changes, share)


def words(change: Change, places: int) -> str:
    """Return a change with its interval, where it has one."""
    value = labels.number(change.value, places, signed=True)
    if change.low != change.low:
        return value
    low, high = (labels.number(bound, places, signed=True) for bound in (change.low, change.high))
    return f"{value} ({low} to {high})"
