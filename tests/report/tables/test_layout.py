"""Tables of cells: numbers against naive ones, what is lost, marks, and tables without any number."""

import csv
import io
from collections import defaultdict

import numpy as np
import pytest

from augdistill.report.tables.layout import Column, Line, build
from augdistill.results.cells import Cells, arm
from made_tables import cell_of, made


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
        ("Table 1", ("CutMix",), "ResNet18 teacher", "CIFAR-10 acc., %", ("teacher", "resnet18", "cutmix", "accuracy")),
        ("Table 1", ("Baseline",), "LeNet student", "CIFAR-10 acc., %", ("student", "lenet", "baseline", "accuracy")),
        ("Table 1", ("Labels only",), "LeNet student", "CIFAR-10 acc., %", ("control", "lenet", "labels", "accuracy")),
        ("Table 4", ("Mixup",), "", "AlexNet student", ("student", "alexnet", "mixup", "class_separability")),
        ("Table 5", ("Cutout", "CIFAR-10"), "AlexNet student", "F1, %", ("student", "alexnet", "cutout", "f1")),
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
    lenet = cell_of(table, ("CutMix",), "LeNet student", "CIFAR-10 acc., %")
    assert lenet.lost == "collapsed 1/4, diverged 1/4"
    assert lenet.n == 1
    assert np.isnan(lenet.sd)
    assert cell_of(table, ("Mixup",), "AlexNet student", "CIFAR-10 acc., %").lost == "missing 1/4"
    assert cell_of(table, ("Cutout",), "AlexNet student", "CIFAR-10 acc., %").lost == "not evaluated 1/4"
    assert cell_of(table, ("Baseline",), "LeNet student", "CIFAR-10 acc., %").lost == ""
    collapsed = paper.results[paper.results.run.str.contains("lenet-cutmix-s1") & (paper.results.metric == "accuracy")]
    assert set(collapsed.status) == {"collapsed"}
    assert lenet.mean not in set(collapsed.value)


def test_marks_compare_rows_of_one_test_set_only(paper):
    table = made(paper, "Table 5")
    for where in ("CIFAR-10", "CINIC-10"):
        for index in range(len(table.columns)):
            column = [row.cells[index] for row in table.rows if row.labels[1] == where]
            known = [cell for cell in column if cell is not None and cell.n]
            assert max(known, key=lambda cell: cell.mean).best


def test_a_table_without_any_number_is_left_out(paper):
    cells = Cells(paper)
    line = Line(("x",), ((arm("student", "lenet", "baseline"), "no_such_metric", "cifar10-test"),))
    assert build("t", ["x"], [Column("", "c")], [line], cells) == "no run that it is made of is there yet"
