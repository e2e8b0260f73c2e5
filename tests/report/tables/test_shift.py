"""Tables under shift hold what the results say, and a study that asks for none has none."""

import pytest

import saved_studies
from augdistill.report.building import asked
from augdistill.report.figures import FIGURES
from augdistill.report.tables import TABLES, make_table, shift
from augdistill.results.cells import Cells
from augdistill.results.inheritance import Change
from made_tables import cell_of, made

WORDS = ("study=quickstart", "study.students=[lenet]", "study.blocks=2")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    more = ("study.corruptions=[made]", "study.attacks=[pgd]", "study.unknown=[noise]")
    return saved_studies.write_study(tmp_path_factory.mktemp("shift"), *WORDS, *more)


def value(saved, metric: str, where: str, aug: str) -> float:
    rows = saved.results
    found = rows[(rows.metric == metric) & (rows.test_set == where) & (rows.teacher_aug == aug)]
    return float(found[found.role == "student"]["value"].mean())


def test_corruptions_stand_beside_the_images_as_they_are(saved):
    table, where = made(saved, "Under shift"), "digits-test+made-corruptions"
    assert [column.label for column in table.columns if column.group == "LeNet student"] == [
        "Accuracy, %, Digits",
        "Accuracy, %, Digits, made corruptions",
        "ECE, Digits, made corruptions",
        "Corruption error, of the base’s, %, Digits, made corruptions",
    ]
    cell = cell_of(table, ("Mixup",), "LeNet student", "Accuracy, %, Digits, made corruptions")
    assert cell.mean == pytest.approx(value(saved, "accuracy", where, "mixup"))
    base = cell_of(table, ("Baseline",), "LeNet student", table.columns[-1].label)
    assert base.mean == pytest.approx(1)
    assert "are not the published" in " ".join(table.notes)


def test_an_attack_stands_by_radius_beside_what_it_is_checked_by(saved):
    table = made(saved, "Under attack")
    group = "LeNet student, Digits, PGD, %"
    assert [column.label for column in table.columns if column.group == group] == [
        *(f"{radius}/255" for radius in (0, 1, 2, 4, 8)),
        "noise, 8/255",
        "transferred, 8/255",
    ]
    cell = cell_of(table, ("Cutout",), group, "transferred, 8/255")
    assert cell.mean == pytest.approx(value(saved, "transfer_accuracy[8]", "digits-test+pgd", "cutout"))


def test_unknown_images_and_what_is_inherited(saved):
    table = made(saved, "Unknown images")
    group = "LeNet student, Digits beside noise"
    cell = cell_of(table, ("Labels only",), group, "AUROC, k-NN")
    rows = saved.results
    own = rows[(rows.metric == "auroc_knn") & (rows.role == "control")]["value"].mean()
    assert cell.mean == pytest.approx(own)
    inherited = made(saved, "Inherited")
    assert len(inherited.rows) == 3 * 4
    assert inherited.rows[0].labels[:3] == ("Accuracy, %, Digits, made corruptions", "Flip + crop", "LeNet")
    assert shift.words(Change(1.0, 0.5, 1.5), 1) == "+1.0 (+0.5 to +1.5)"
    assert shift.words(Change(-1.0), 1) == "−1.0"


def test_a_study_that_asks_for_nothing_has_none(tmp_path):
    plain = saved_studies.write_study(tmp_path, *WORDS, "study.blocks=1", "study.corruptions=[]")
    assert make_table("Under shift", plain, Cells(plain)) == "the study asks for nothing under shift"
    assert not {"Under shift", "Under attack", "Unknown images", "Inherited"} & {*asked(TABLES, plain)}
    assert "Accuracy under attack" not in asked(FIGURES, plain)
    assert len(asked(TABLES, plain)) == len(TABLES) - 4
