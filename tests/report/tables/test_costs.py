"""The table of costs: a row for each network, in units that can be read, with the best that it reached."""

import pytest

import saved_studies
from augdistill.report.tables import make_table
from augdistill.report.tables.formats import to_tex
from augdistill.results import labels
from augdistill.results.cells import Cells
from made_tables import made


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    words = ("study=quickstart", "study.blocks=2", "study.corruptions=[]")
    return saved_studies.write_study(tmp_path_factory.mktemp("costs"), *words)


def test_each_network_has_a_row_in_units_that_can_be_read(quickstart):
    teacher, lenet, small = (row.labels for row in made(quickstart, "Costs").rows)
    assert teacher[:7] == ("ResNet9 teacher", "11000.0", "560.00", "44.70", "20.000", "40.000", "9000")
    assert lenet[:7] == ("LeNet student", "62.0", "0.65", "0.25", "0.250", "40.000", "9000")
    assert small[0] == "Small AlexNet student"


def test_the_best_accuracy_is_the_highest_mean_over_blocks(quickstart):
    rows = quickstart.results.query("model == 'lenet' and metric == 'accuracy' and test_set == 'digits-test'")
    means = rows.groupby(["teacher_aug", "block"]).value.mean().groupby("teacher_aug").mean()
    best = {labels.strategy(aug) for aug in means.index[means == means.max()]}
    reached, aug = made(quickstart, "Costs").rows[1].labels[7:]
    assert reached == f"{100 * means.max():.1f}"
    assert aug in best


def test_the_table_is_whole_in_latex(quickstart):
    written = to_tex(made(quickstart, "Costs"), "quickstart")
    assert r"ResNet9 teacher & 11000.0 & 560.00" in written
    assert written.count(r"\begin{tabular}") == written.count(r"\end{table}") == 1


def test_a_study_that_measured_nothing_says_how_to(tmp_path):
    saved = saved_studies.write_study(tmp_path, "study=tiny")
    assert "study.costs=true" in make_table("Costs", saved, Cells(saved))
