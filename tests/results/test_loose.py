"""Runs that no study planned, as one: the same places and numbers as in the study that they come from."""

import shutil
from pathlib import Path

import pytest

import saved_studies
from augdistill.api import load_results
from augdistill.base.errors import AugdistillError
from augdistill.results.loose import adopt, load_loose
from augdistill.results.study import SavedStudy

GRID = "study.grids=[{distillation.temperature: [1, 4], distillation.alpha: [0.1, 0.9]}]"
PLACE = ["role", "model", "teacher_aug", "student_aug", "variant", "block", "student_seed", "test_set", "metric"]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> SavedStudy:
    """A study of two strategies, two blocks, and a grid of T and alpha, whose runs were never trained."""
    return saved_studies.write_study(tmp_path_factory.mktemp("planned"), "study=tiny", "study.blocks=2", GRID)


@pytest.fixture(scope="module")
def outputs(planned: SavedStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs alone, as if each had been trained by hand."""
    folder = tmp_path_factory.mktemp("loose")
    shutil.copytree(planned.store.runs, folder / "runs")
    return folder


def test_each_run_stands_where_the_study_had_it(planned: SavedStudy, outputs: Path) -> None:
    loose = load_loose(["all"], outputs)
    ours, theirs = (saved.results.set_index(PLACE).sort_index() for saved in (loose, planned))
    assert list(ours.index) == list(theirs.index)
    assert (ours["value"].fillna(-1) == theirs["value"].fillna(-1)).all()
    assert (ours["run"] == theirs["run"]).all()
    assert (loose.base, loose.augs, loose.students, loose.blocks) == ("baseline", planned.augs, planned.students, 2)
    assert set(loose.variants) == set(planned.variants)
    assert loose.design.distillation.temperature == 20
    assert loose.design.claims == ()


def test_teachers_come_along_and_nothing_else(outputs: Path) -> None:
    loose = load_loose(["student=lenet", "aug=cutmix", "T=4"], outputs)
    assert {(place.role, place.teacher_aug) for place in loose.places} == {("teacher", "cutmix"), ("student", "cutmix")}
    assert loose.variants == ["", "distillation.alpha=0.9"]  # T is 4 in all: only alpha differs, 0.5 is not there


def test_from_python_values_have_columns_and_nothing_is_written(outputs: Path) -> None:
    table = load_results(runs="student=lenet", outputs=outputs)
    assert not (outputs / "studies").exists()
    found = table[(table.role == "student") & (table["distillation.temperature"] == "4")]
    assert set(found["distillation.alpha"]) == {"0.1", "0.9"}
    assert set(table[table.role == "teacher"]["distillation.alpha"]) == {""}
    for given in ({}, {"study": "tiny", "runs": "all"}):
        with pytest.raises(AugdistillError, match="name a study"):
            load_results(outputs=outputs, **given)


def test_a_planned_study_keeps_its_name(planned: SavedStudy) -> None:
    before = (planned.folder / "plan.json").read_bytes()
    with pytest.raises(AugdistillError, match="tiny is a study that was planned: type another name"):
        adopt(planned.store, ["all"], "tiny", "augdistill report tiny runs=all")
    assert (planned.folder / "plan.json").read_bytes() == before
    for words in (["all"], ["T=4"]):  # one that was not planned is replaced
        adopt(planned.store, words, "mine", f"augdistill report mine runs={words[0]}")
    assert SavedStudy.load("mine", planned.store.outputs).plan.adopted == ("T=4",)


def test_another_rate_of_the_teacher_makes_cells_of_teachers_and_students(tmp_path: Path) -> None:
    for name, rate in (("slow", 0.01), ("quick", 0.1)):
        words = ("study.blocks=1", f"study.name={name}", f"study.teacher.optim.lr={rate}")
        saved_studies.write_study(tmp_path, "study=tiny", *words)
    loose = load_loose(["all"], tmp_path)
    cells = {(place.role, place.teacher_aug, place.variant) for place in loose.places}
    other = next(variant for _, _, variant in cells if variant)
    assert other in ("teacher_optim.lr=0.01", "teacher_optim.lr=0.1")
    for aug in loose.augs:
        assert {(role, aug, cell) for role in ("teacher", "student") for cell in ("", other)} <= cells
    assert [cell for role, _, cell in cells if role == "control"] == [""]  # which has no teacher


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["T=7"], r"runs=T=7: no model is so; augdistill runs lists them"),
        (["TT=4"], r"runs=TT=4 names no value of these runs \(did you mean T\?\): as in runs=student=lenet,T=4"),
    ],
)
def test_a_choice_that_is_none_is_refused_in_one_line(words: list[str], line: str, outputs: Path) -> None:
    with pytest.raises(AugdistillError, match=line) as raised:
        load_loose(words, outputs)
    assert raised.value.exit_code == 2


def test_what_no_page_can_hold_is_refused(tmp_path: Path) -> None:
    saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=1")
    saved_studies.write_study(tmp_path, "study=tiny", "study.name=b", "study.blocks=1", "teacher@study.teacher=alexnet")
    with pytest.raises(AugdistillError, match=r"runs= are of 2 teachers, alexnet, resnet\w+: choose one, as in"):
        load_loose(["all"], tmp_path)
    assert {place.role for place in load_loose(["teacher=alexnet"], tmp_path).places} >= {"teacher", "student"}
    saved_studies.write_study(tmp_path, "study=tiny", "study.name=c", "study.blocks=1", "study.runtime.precision=bf16")
    with pytest.raises(AugdistillError, match=r"two at one place.*augdistill runs diff \w{8} \w{8}"):
        load_loose(["teacher=resnet18"], tmp_path)
