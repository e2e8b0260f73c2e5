"""Tables: their numbers against naive ones, the paper's layout and printed values, marks, what is lost, their files."""

import csv
import io
import shutil
import statistics
import subprocess
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import saved_studies
from augdistill.claims.printed import load_published
from augdistill.metrics import METRICS
from augdistill.report.figures import FIGURES
from augdistill.report.needs import NEEDS
from augdistill.report.tables import TABLES, formats, make_table
from augdistill.report.tables.layout import Column, Line, Row, Table, build
from augdistill.results import labels
from augdistill.results.cells import Cell, Cells, arm, mark_best


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("tables")
    saved_studies.write_data(base / "data")
    return base


def study(folder, name, *words, **changes):
    data = (f"study.dataset.root={folder / 'data'}", "study.dataset.verify=false")
    return saved_studies.write_study(folder / name, f"study={name}", *data, *words, **changes)


@pytest.fixture(scope="module")
def paper(folder):
    lost = {
        "lenet-cutmix-s0": "diverged",
        "lenet-cutmix-s1": "collapsed",
        "student-cifar10-alexnet-mixup-s2": "missing",
    }
    lost["alexnet-cutout-s3"] = "unevaluated"
    return study(folder, "paper", "study.blocks=2", "study.students_per_teacher=2", statuses=lost)


@pytest.fixture(scope="module")
def mnist(folder):
    return study(folder, "paper-mnist", "study.blocks=1", "study.students_per_teacher=1")


@pytest.fixture(scope="module")
def mirrored(folder):
    return study(folder, "paper-mirrored", "study.blocks=2", "study.students_per_teacher=1")


@pytest.fixture(scope="module")
def controls(folder):
    return saved_studies.write_controls(folder / "controls")


def made(saved, name):
    table = make_table(name, saved, Cells(saved))
    assert isinstance(table, Table), table
    return table


def cell_of(table, row, group, column):
    (index,) = [i for i, found in enumerate(table.columns) if (found.group, found.label) == (group, column)]
    (cell,) = [found.cells[index] for found in table.rows if found.labels == row]
    return cell


def naive(saved, role, model, aug, metric, where):
    """Block means by plain loops over results.csv, the students of a block averaged first."""
    blocks = defaultdict(list)
    for row in csv.DictReader(io.StringIO(saved.results.to_csv(index=False))):
        place = (row["role"], row["model"], row["teacher_aug"], row["metric"], row["test_set"], row["variant"])
        if place == (role, model, aug, metric, where, "") and row["status"] == "finished" and row["value"]:
            blocks[row["block"]].append(float(row["value"]))
    return [sum(values) / len(values) for values in blocks.values()]


@pytest.mark.parametrize(
    ("name", "row", "group", "column", "place"),
    [
        ("Table 1", ("CutMix",), "ResNet18 teacher", "CIFAR-10 acc.", ("teacher", "resnet18", "cutmix", "accuracy")),
        ("Table 1", ("Baseline",), "LeNet student", "CIFAR-10 acc.", ("student", "lenet", "baseline", "accuracy")),
        ("Table 1", ("Labels only",), "LeNet student", "CIFAR-10 acc.", ("control", "lenet", "labels", "accuracy")),
        ("Table 4", ("Mixup",), "", "AlexNet student", ("student", "alexnet", "mixup", "class_separability")),
        ("Table 5", ("Cutout", "CIFAR-10"), "AlexNet student", "F1", ("student", "alexnet", "cutout", "f1")),
    ],
)
def test_cells_are_means_and_sds_of_block_means(paper, name, row, group, column, place):
    cell = cell_of(made(paper, name), row, group, column)
    expected = naive(paper, *place, "cifar10-test")
    assert cell.n == len(expected) == 2
    assert cell.mean == pytest.approx(np.mean(expected), rel=1e-12)
    assert cell.sd == pytest.approx(np.std(expected, ddof=1), rel=1e-12)


def test_lost_runs_are_said_and_left_out(paper):
    table = made(paper, "Table 1")
    lenet = cell_of(table, ("CutMix",), "LeNet student", "CIFAR-10 acc.")
    assert lenet.lost == "collapsed 1/4, diverged 1/4"
    assert lenet.n == 1
    assert np.isnan(lenet.sd)
    assert cell_of(table, ("Mixup",), "AlexNet student", "CIFAR-10 acc.").lost == "missing 1/4"
    assert cell_of(table, ("Cutout",), "AlexNet student", "CIFAR-10 acc.").lost == "not evaluated 1/4"
    assert cell_of(table, ("Baseline",), "LeNet student", "CIFAR-10 acc.").lost == ""
    collapsed = paper.results[paper.results.run.str.contains("lenet-cutmix-s1") & (paper.results.metric == "accuracy")]
    assert set(collapsed.status) == {"collapsed"}
    assert lenet.mean not in set(collapsed.value)


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
        *(("Baseline",), ("Flip + crop",), ("Cutout",), ("Mixup",), ("CutMix",)),
        ("Labels only",),
    ]
    assert [column.group for column in table.columns[::3]] == ["ResNet18 teacher", "LeNet student", "AlexNet student"]
    assert [column.label for column in table.columns[:3]] == ["CIFAR-10 acc.", "CIFAR-10H KLD", "CINIC-10 acc."]
    baseline = cell_of(table, ("Baseline",), "ResNet18 teacher", "CIFAR-10 acc.")
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
    cell = cell_of(made(mirrored, "Table 1"), ("Baseline",), "LeNet student", "CIFAR-10 acc.")
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
    plain = cell_of(made(saved, "Table 1"), ("CutMix",), "LeNet student", "Digits acc.")
    assert plain.mean == cell_of(table, ("as configured",), "LeNet student", "CutMix").mean


def test_the_best_of_a_cell_of_a_grid_is_that_of_its_row(controls):
    table = made(controls, "Grids")
    for row in table.rows:
        for group in ("LeNet student", "ResNet18 teacher"):
            own = [cell for column, cell in zip(table.columns, row.cells, strict=True) if column.group == group]
            known = {index: replace(cell, best=False) for index, cell in enumerate(own) if cell is not None}
            assert [cell for cell in own if cell is not None] == list(mark_best(known).values())
            assert sum(cell.best for cell in own if cell is not None) > 0
    assert any("best of its row" in note for note in table.notes)
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


def test_cells_of_a_grid_are_named_in_words():
    named = {
        "": "as configured",
        "distillation.temperature=4,distillation.alpha=0.1": "T = 4, α = 0.1",
        "distillation.transform=class-mean": "teacher’s class means",
        "aug.ops.mixup.labels=hard,aug.ops.cutmix.prob=0.2": "Mixup with hard labels, CutMix with prob 0.2",
        "optim.milestones=[2, 3],optim.lr_factor=2": "optim.milestones = [2, 3], student’s learning rate × 2",
    }
    assert {name: labels.variant(name) for name in named} == named


def cells_of(*values, metric="accuracy"):
    return {index: Cell(metric, "cifar10-test", tuple(found)) for index, found in enumerate(values)}


def marks(cells):
    return [cell.best for cell in mark_best(cells).values()]


def test_marks_are_those_not_significantly_below_the_best():
    near, best, far = [0.80, 0.82, 0.78], [0.81, 0.83, 0.80], [0.60, 0.61, 0.62]
    assert stats.ttest_ind(best, far, equal_var=False, alternative="greater").pvalue * 2 < 0.05
    assert stats.ttest_ind(best, near, equal_var=False, alternative="greater").pvalue > 0.05
    assert marks(cells_of(near, best, far)) == [True, True, False]
    assert marks(cells_of(near, best, far, metric="ece")) == [False, False, True]
    assert marks(cells_of(near, best, far, metric="class_separability")) == [False, False, False]
    assert marks(cells_of([0.8], [0.9])) == [False, True]
    assert marks(cells_of([0.8])) == [False]


def test_marks_compare_rows_of_one_test_set_only(paper):
    table = made(paper, "Table 5")
    for where in ("CIFAR-10", "CINIC-10"):
        for index in range(len(table.columns)):
            column = [row.cells[index] for row in table.rows if row.labels[1] == where]
            known = [cell for cell in column if cell is not None and cell.n]
            assert max(known, key=lambda cell: cell.mean).best


def tiny_table(**changes):
    cell = Cell("accuracy", "x", (0.5, 0.75), lost="diverged 1/3", published=0.6, best=True)
    values = {
        "key": "table-x",
        "number": "Table 9",
        "title": "A & B_1",
        "row_titles": ("Strategy",),
        "columns": (Column("G%", "<b>a|b</b>"), Column("G%", "c")),
        "rows": (Row(("100 % {x}",), (cell, None)),),
        "notes": ("a note",),
        "remarks": (),
    }
    return Table(**{**values, **changes})


def test_csv_holds_every_number_in_full():
    (row,) = csv.DictReader(io.StringIO(formats.to_csv(tiny_table())))
    assert (float(row["mean"]), int(row["n"]), row["lost"], row["best"]) == (0.625, 2, "diverged 1/3", "1")
    assert float(row["sd"]) == statistics.stdev((0.5, 0.75))
    assert float(row["difference"]) == 0.625 - 0.6
    assert (row["group"], row["column"], row["Strategy"]) == ("G%", "<b>a|b</b>", "100 % {x}")


def test_markdown_and_tex_escape_what_is_special():
    text = formats.to_markdown(tiny_table())
    assert "| G%: &lt;b>a\\|b&lt;/b> |" in text
    assert "**0.625 ± 0.177 (2); paper 0.600 (+0.025); diverged 1/3**" in text
    source = formats.to_tex(tiny_table())
    assert r"\caption{A \& B\_1}" in source
    assert r"\multicolumn{2}{c}{G\%}" in source
    assert r"\textbf{0.625 $\pm$ 0.177 (2)" in source
    assert r"100 \% \{x\}" in source
    assert source.count(r"\toprule") == source.count(r"\midrule") == source.count(r"\bottomrule") == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_tex_compiles(paper, tmp_path):
    tables = [made(paper, name) for name in ("Table 1", "Table 3", "Table 5", "Calibration")]
    body = "\n".join(formats.to_tex(table) for table in [*tables, tiny_table()])
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(head + body + r"\end{document}")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_numbers_have_a_real_minus_sign_and_undefined_ones_a_dash():
    assert labels.number(-0.0416, 3) == "−0.042"
    assert labels.number(0.5, 1, signed=True) == "+0.5"
    assert labels.number(float("nan"), 3) == "–"


def test_a_table_without_any_number_is_left_out(paper):
    cells = Cells(paper)
    line = Line(("x",), ((arm("student", "lenet", "baseline"), "no_such_metric", "cifar10-test"),))
    assert build("t", ["x"], [Column("", "c")], [line], cells) == "no run that it is made of is there yet"


def test_tables_figures_and_metrics_name_what_there_is():
    entries = {**TABLES, **FIGURES}
    assert {need for entry in entries.values() for need in entry.needs} == set(NEEDS)
    listing = {entry.metrics for entry in entries.values()} - {""}
    assert {place for metric in METRICS.values() for place in metric.stands_in} == listing
