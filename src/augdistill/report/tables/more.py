"""Tables of our own: what teachers offer, calibration in full, fidelity, and the cells of a study's grids."""

from collections.abc import Sequence
from functools import partial
from itertools import product

from augdistill.metrics import METRICS, standing_in
from augdistill.report.tables.layout import Column, Line, Table, build
from augdistill.report.tables.paper import STRATEGY, by_model, by_strategy, heading, image_sets, strategies
from augdistill.results import labels
from augdistill.results.cells import Cells, arm
from augdistill.results.frame import DISTILLATION
from augdistill.results.study import SavedStudy


def at_temperature(names: Sequence[str], temperature: float) -> list[str]:
    """Return metrics without those of other temperatures than a study's; of the highest where none has the study's."""
    own = {name: metric.temperature for name in names if (metric := METRICS[name]).temperature is not None}
    kept = temperature if temperature in own.values() else max(own.values(), default=None)
    return [name for name in names if own.get(name, kept) == kept]


def teacher_properties(saved: SavedStudy, cells: Cells, place: str) -> list[tuple[str, str]]:
    """Return (metric, test set) of the properties of teachers that a table or figure lists, where they are measured."""
    names = at_temperature(standing_in(place), saved.design.distillation.temperature)
    sets = (saved.test_set, DISTILLATION)
    return [(name, where) for where in sets for name in names if cells.has(name, where, "teacher")]


def teachers(saved: SavedStudy, cells: Cells) -> Table | str:
    """What the teachers are, and what their outputs on the training images offer."""
    properties = teacher_properties(saved, cells, "table-teachers")
    columns = [Column(f"On {labels.test_set(where)}", labels.column(name)) for name, where in properties]
    of_teacher = partial(arm, "teacher", saved.teacher)
    lines = by_strategy(saved.augs, lambda aug: ((of_teacher(aug), name, where) for name, where in properties))
    notes = ["Distillation set: the teacher’s outputs for the unaugmented training images, from which students learn."]
    return build("table-teachers", [STRATEGY], columns, lines, cells, notes=notes)


def calibration(saved: SavedStudy, cells: Cells) -> Table | str:
    """Calibration of every model, with the sign of the gap and after temperature scaling."""
    quantities = [(labels.column(name), name, saved.test_set) for name in standing_in("table-calibration")]
    columns, lines = by_model(saved, quantities)
    notes = ["Confidence − accuracy: above 0 over-confident, below 0 under-confident; |gap| alone hides which."]
    return build("table-calibration", [STRATEGY], columns, lines, cells, notes=notes)


def fidelity(saved: SavedStudy, cells: Cells) -> Table | str:
    """How closely students follow their teachers."""
    names = standing_in("table-fidelity")
    asked = [(name, saved.test_set) for name in names if "draws" not in METRICS[name].needs]
    asked += [(name, DISTILLATION) for name in names if cells.has(name, DISTILLATION, "student")]
    found = [(student, *one) for student, one in product(saved.students, asked)]
    columns = [Column(labels.model(student), fidelity_column(name, where)) for student, name, where in found]
    lines = by_strategy(saved.augs, lambda aug: ((arm("student", s, aug), name, where) for s, name, where in found))
    notes = ["A student can agree poorly with its teacher and still generalise (arXiv 2106.05945)."]
    return build("table-fidelity", [STRATEGY], columns, lines, cells, notes=notes)


def fidelity_column(name: str, where: str) -> str:
    """Return what a column of the table says: of the training images that it is about them."""
    is_of_draws = "draws" in METRICS[name].needs
    return labels.column(name) + (", training images" if where == DISTILLATION and not is_of_draws else "")


def variants(saved: SavedStudy, cells: Cells) -> Table | str:
    """Students, and teachers where they differ too, in every cell of the study's grids, the main arm first."""
    where = image_sets(saved, cells)[0]
    teachers_vary = any(place.variant for place in saved.places if place.role == "teacher")
    models = [model for model in saved.models if model[0] == "student" or teachers_vary]
    found = [
        (model, aug) for model in sorted(models, key=lambda model: model[0] == "teacher") for aug in strategies(saved)
    ]
    columns = [Column(heading(*model), labels.strategy(aug)) for model, aug in found]
    lines = [
        Line(
            (labels.variant(name),),
            tuple((arm(*model, aug, variant=name), "accuracy", where) for model, aug in found),
        )
        for name in saved.variants
    ]
    notes = ["A cell that changes nothing for an arm has the main arm’s runs."]
    if any("teacher_weights=untrained" in name for name in saved.variants):
        notes.append("Beside students of an untrained teacher stands what that teacher came to when it was trained.")
    return build("table-variants", ["Changed"], columns, lines, cells, notes=notes, along_rows=True)
