"""The paper's tables: its layout and printed values, and why one cannot be made."""

import pytest

import saved_studies
from augdistill.claims.printed import load_published
from augdistill.report.tables import make_table
from augdistill.results.cells import Cells
from made_tables import cell_of, made


@pytest.fixture(scope="module")
def mnist(data, tmp_path_factory):
    words = ("study.blocks=1", "study.students_per_teacher=1")
    return saved_studies.write_study_on(data, tmp_path_factory.mktemp("mnist"), "paper-mnist", *words)


@pytest.fixture(scope="module")
def mirrored(data, tmp_path_factory):
    words = ("study.blocks=2", "study.students_per_teacher=1")
    return saved_studies.write_study_on(data, tmp_path_factory.mktemp("mirrored"), "paper-mirrored", *words)


@pytest.mark.parametrize(
    ("number", "fixture"),
    [("1", "paper"), ("2", "mnist"), ("3", "paper"), ("4", "paper"), ("5", "paper"), ("6", "mirrored")],
)
def test_every_printed_number_stands_beside_its_cell(number, fixture, request):
    table = made(request.getfixturevalue(fixture), f"Table {number}")
    rows = load_published()
    printed = sorted(rows[rows.table == number].value)
    shown = sorted(
        cell.published for row in table.rows for cell in row.cells if cell and cell.published == cell.published
    )
    assert shown == printed
    notes = [note for note in rows[rows.table == number].note if note]
    assert len(table.remarks) == len(notes)


def test_the_layout_is_the_papers(paper):
    table = made(paper, "Table 1")
    assert [row.labels for row in table.rows] == [
        ("Baseline",),
        ("Flip + crop",),
        ("Cutout",),
        ("Mixup",),
        ("CutMix",),
        ("Labels only",),
    ]
    assert [column.group for column in table.columns[::3]] == ["ResNet18 teacher", "LeNet student", "AlexNet student"]
    assert [column.label for column in table.columns[:3]] == ["CIFAR-10 acc., %", "CIFAR-10H KLD", "CINIC-10 acc., %"]
    baseline = cell_of(table, ("Baseline",), "ResNet18 teacher", "CIFAR-10 acc., %")
    assert baseline.published == 0.852
    assert baseline.difference == baseline.mean - 0.852
    five = made(paper, "Table 5")
    assert [row.labels for row in five.rows][:3] == [
        ("Baseline", "CIFAR-10"),
        ("Baseline", "CINIC-10"),
        ("Flip + crop", "CIFAR-10"),
    ]
    assert len(five.columns) == 12


def test_tables_that_cannot_be_made_say_what_would(paper, mirrored):
    assert "study=paper-mnist" in make_table("Table 2", paper, Cells(paper))
    assert "study=paper-mirrored" in make_table("Table 6", paper, Cells(paper))
    assert made(mirrored, "Table 6").rows[0].labels == ("LeNet", "Baseline", "CIFAR-10")


def test_augmented_students_do_not_enter_the_tables_of_plain_ones(mirrored):
    cell = cell_of(made(mirrored, "Table 1"), ("Baseline",), "LeNet student", "CIFAR-10 acc., %")
    rows = mirrored.results.query("role == 'student' and teacher_aug == 'baseline' and metric == 'accuracy'")
    rows = rows[(rows.student_aug == "baseline") & (rows.test_set == "cifar10-test")]
    assert cell.mean == pytest.approx(rows.value.mean(), rel=1e-12)
    assert cell.n == 2


def test_disagreement_between_the_conventions_of_table_3_is_said(paper):
    table = made(paper, "Table 3")
    for row in table.rows[1:]:
        changes = [row.cells[i].mean - table.rows[0].cells[i].mean for i in (2, 5, 8)]
        said = any(f"disagree about {row.labels[0]}," in note for note in table.notes)
        assert said == (len({change > 0 for change in changes}) == 2)
