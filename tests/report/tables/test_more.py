"""Our own tables: the cells of a study's grids, each beside the main arm."""

from dataclasses import replace

import pytest

import saved_studies
from augdistill.results.cells import mark_best
from made_tables import cell_of, made


@pytest.fixture(scope="module")
def controls(tmp_path_factory):
    return saved_studies.write_controls(tmp_path_factory.mktemp("controls"))


def test_the_cells_of_a_grid_have_a_table_with_the_main_arm_first(tmp_path):
    words = ("study=tiny", "study.blocks=2", "study.grids=[{distillation.temperature: [1, 20]}]")
    saved = saved_studies.write_study(tmp_path, *words)
    table = made(saved, "Grids")
    cells = {"": "as configured", "distillation.temperature=1": "T = 1"}  # 20 is the main arm's own
    assert [row.labels for row in table.rows] == [(name,) for name in cells.values()]
    assert {column.group for column in table.columns} == {"LeNet student"}  # one teacher for all cells
    rows = saved.results.query("role == 'student' and teacher_aug == 'cutmix' and metric == 'accuracy'")
    for variant, name in cells.items():
        values = rows[(rows.variant == variant) & (rows.test_set == "digits-test")].value
        cell = cell_of(table, (name,), "LeNet student", "CutMix")
        assert (cell.n, cell.mean) == (2, pytest.approx(values.mean(), rel=1e-12))
        control = cell_of(table, (name,), "LeNet student", "Labels only")
        assert control.values == cell_of(table, ("as configured",), "LeNet student", "Labels only").values
    plain = cell_of(made(saved, "Table 1"), ("CutMix",), "LeNet student", "Digits acc., %")
    assert plain.mean == cell_of(table, ("as configured",), "LeNet student", "CutMix").mean


def test_the_best_of_a_cell_of_a_grid_is_that_of_its_row(controls):
    table = made(controls, "Grids")
    for row in table.rows:
        for group in ("LeNet student", "ResNet18 teacher"):
            own = [cell for column, cell in zip(table.columns, row.cells, strict=True) if column.group == group]
            known = {
                index: replace(cell, best=False, below=False) for index, cell in enumerate(own) if cell is not None
            }
            assert [cell for cell in own if cell is not None] == list(mark_best(known).values())
            assert sum(cell.best for cell in own if cell is not None) > 0
    assert any("best mean of its row" in note for note in table.notes)
    assert any("untrained teacher stands" in note for note in table.notes)


def test_an_arm_that_a_cell_leaves_as_it_is_shows_the_main_arms_runs(controls):
    table = made(controls, "Grids")
    main, hard, halves = ("as configured",), ("Mixup with hard labels",), ("student’s learning rate × 0.5",)
    for group in ("LeNet student", "ResNet18 teacher"):
        same = {
            name: cell_of(table, hard, group, name).values == cell_of(table, main, group, name).values
            for name in ("Baseline", "Mixup")
        }
        assert same == {"Baseline": True, "Mixup": False}
    teachers = [cell_of(table, row, "ResNet18 teacher", "Mixup").values for row in (main, halves)]
    students = [cell_of(table, row, "LeNet student", "Mixup").values for row in (main, halves)]
    assert teachers[0] == teachers[1]
    assert students[0] != students[1]


def test_fidelity_is_told_of_test_images_and_of_those_that_students_learned_from(tmp_path):
    table = made(saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=2"), "Fidelity")
    assert [column.label for column in table.columns] == [
        "Agreement with teacher, %",
        "KL from teacher",
        "KL from teacher at T",
        "Agreement with teacher, %, training images",
        "KL from teacher, training images",
        "T.stddev",
    ]
    shown = {column.label: cell.mean for column, cell in zip(table.columns, table.rows[1].cells, strict=True)}
    assert shown["Agreement with teacher, %"] == pytest.approx(0.9)  # as the made-up evaluations have it
    assert shown["Agreement with teacher, %, training images"] == pytest.approx(0.95)
    assert shown["T.stddev"] == pytest.approx(0.001 * saved_studies.SHARPNESS["cutmix"])
