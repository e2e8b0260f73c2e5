"""The paper's Tables 1 to 6, from whatever a study has; one that cannot be made says why."""

from collections.abc import Callable, Iterable
from functools import partial

from augdistill.metrics import standing_in
from augdistill.report.tables.layout import Column, Line, Table, Wanted, build
from augdistill.results import labels
from augdistill.results.cells import Cells, arm
from augdistill.results.frame import VALIDATION
from augdistill.results.study import LABELS, SavedStudy

STRATEGY = "Teacher’s augmentation"
CONVENTIONS = {
    "corrected": "Corrected (primary)",
    "as_printed": "As the text’s formula",
    "as_published": "As the paper’s numbers",
}


def heading(role: str, model: str) -> str:
    """Return a group's heading: ResNet18 teacher, LeNet student."""
    return f"{labels.model(model)} {role}"


def strategies(saved: SavedStudy) -> list[str]:
    """Return the rows of most tables: the teachers' strategies, then learning from labels alone."""
    return [*saved.augs, LABELS]


def image_sets(saved: SavedStudy, cells: Cells) -> list[str]:
    """Return the test sets on which accuracy is measured, the study's own first; without any, validation."""
    found = [name for name in saved.test_sets if cells.has("accuracy", name)]
    if not found:
        return [VALIDATION if cells.has("accuracy", VALIDATION) else saved.test_set]
    return sorted(found, key=lambda name: name != saved.test_set)


def by_strategy(augs: list[str], wanted: Callable[[str], Iterable[Wanted]]) -> list[Line]:
    """Return a line for each strategy, whose cells `wanted` names."""
    return [Line((labels.strategy(aug),), tuple(wanted(aug))) for aug in augs]


def by_model(saved: SavedStudy, quantities: list[tuple[str, str, str]]) -> tuple[list[Column], list[Line]]:
    """Return columns and lines of a table with one row per strategy and, for each model, (label, metric, test set)."""
    found = [(model, *quantity) for model in saved.models for quantity in quantities]
    columns = [Column(heading(*model), label) for model, label, _, _ in found]
    return columns, by_strategy(
        strategies(saved), lambda aug: ((arm(*model, aug), metric, where) for model, _, metric, where in found)
    )


def table_1(saved: SavedStudy, cells: Cells) -> Table | str:
    """Accuracy and distance from humans, of teachers and students, in and out of distribution."""
    sets = image_sets(saved, cells)
    quantities = [(f"{labels.test_set(sets[0])} acc., %", "accuracy", sets[0])]
    humans = [name for name in saved.test_sets if cells.has("human_ce", name)]
    quantities += [(f"{labels.test_set(name)} KLD", "human_ce", name) for name in humans]
    quantities += [(f"{labels.test_set(name)} acc., %", "accuracy", name) for name in sets[1:]]
    notes = ["KLD, the paper’s name: cross-entropy of the model against human labels, in nats."] if humans else []
    columns, lines = by_model(saved, quantities)
    return build("table-1", [STRATEGY], columns, lines, cells, printed="1", notes=notes)


def table_2(saved: SavedStudy, cells: Cells) -> Table | str:
    """Accuracy and loss on a dataset other than CIFAR-10: the paper's is MNIST."""
    if saved.dataset == "cifar10":
        return "the paper’s is on MNIST: study=paper-mnist makes it"
    quantities = [(labels.column("accuracy"), "accuracy", saved.test_set), ("Loss", "nll", saved.test_set)]
    columns, lines = by_model(saved, quantities)
    notes = ["Loss: cross-entropy against the labels, in nats."]
    return build("table-2", [STRATEGY], columns, lines, cells, printed="2", notes=notes)


def table_3(saved: SavedStudy, cells: Cells) -> Table | str:
    """Cohesion, adhesion and discrimination of the teachers, in three conventions."""
    names = ("cohesion", "adhesion", "discrimination")
    metrics = [(title, name, f"{name}_{key}") for key, title in CONVENTIONS.items() for name in names]
    columns = [Column(title, name.capitalize()) for title, name, _ in metrics]
    of_teacher = partial(arm, "teacher", saved.teacher)
    lines = by_strategy(saved.augs, lambda aug: ((of_teacher(aug), metric, saved.test_set) for *_, metric in metrics))
    notes = [
        "Corrected: true means of cosine similarity, on the penultimate embedding. Text’s formula: half the mean "
        "cohesion. Paper’s numbers: on softmax probabilities, with half the mean adhesion.",
        *_disagreements(saved, cells),
    ]
    return build("table-3", [STRATEGY], columns, lines, cells, printed="3", notes=notes)


def _disagreements(saved: SavedStudy, cells: Cells) -> list[str]:
    """Where the three conventions differ about whether a strategy raises D."""
    found = []
    for aug in saved.augs:
        changes = {}
        for key, title in CONVENTIONS.items():
            pair = [
                cells.get(arm("teacher", saved.teacher, name), f"discrimination_{key}", saved.test_set)
                for name in (aug, saved.base)
            ]
            if pair[0] and pair[1] and pair[0].n and pair[1].n:
                changes[title] = pair[0].mean - pair[1].mean
        if len({change > 0 for change in changes.values()}) > 1:
            listed = ", ".join(f"{title} {labels.number(value, 3, signed=True)}" for title, value in changes.items())
            found.append(f"The conventions disagree about {labels.strategy(aug)}, D minus the base’s: {listed}.")
    return found


def table_4(saved: SavedStudy, cells: Cells) -> Table | str:
    """Class separability of teachers and students."""
    columns, lines = by_model(saved, [("S_f", "class_separability", saved.test_set)])
    columns = [Column("", column.group) for column in columns]
    notes = ["Mean KL between the average predictions of all pairs of classes, in nats; no side is better."]
    return build("table-4", [STRATEGY], columns, lines, cells, printed="4", notes=notes)


def table_5(saved: SavedStudy, cells: Cells) -> Table | str:
    """Accuracy, macro precision, recall and F1 of every model on every test set."""
    names = standing_in("table-5")
    columns = [Column(heading(*model), labels.column(metric)) for model in saved.models for metric in names]
    lines = [
        Line(
            (labels.strategy(aug), labels.test_set(where)),
            tuple((arm(*model, aug), metric, where) for model in saved.models for metric in names),
            peers=where,
        )
        for aug in strategies(saved)
        for where in image_sets(saved, cells)
    ]
    return build("table-5", [STRATEGY, "Test set"], columns, lines, cells, printed="5")


def table_6(saved: SavedStudy, cells: Cells) -> Table | str:
    """Augmented students of baseline teachers, of teachers with their own strategy, and of none."""
    owns = list(dict.fromkeys(place.student_aug for place in saved.places if place.role == "student"))
    if owns == ["baseline"]:
        return "no student was augmented: study=paper-mirrored makes it"
    teachers = (f"{labels.strategy(saved.base)} teacher", "Teacher with the student’s own", "No teacher, labels only")
    names = standing_in("table-6")
    columns = [Column(teacher, labels.column(metric)) for teacher in teachers for metric in names]
    lines = [
        Line(
            (labels.model(student), labels.strategy(own), labels.test_set(where)),
            tuple(
                (arm("student", student, aug, own), metric, where)
                for aug in (saved.base, own if own != saved.base else "", LABELS)
                for metric in names
            ),
            peers=f"{student} {where}",
        )
        for student in saved.students
        for own in owns
        for where in image_sets(saved, cells)
    ]
    titles = ["Student", "Student’s augmentation", "Test set"]
    return build("table-6", titles, columns, lines, cells, printed="6")
