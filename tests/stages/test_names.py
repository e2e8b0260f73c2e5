"""A folder of images is known by what it holds, wherever it lies, and gives its name to results."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import core
import data_files
from augdistill.base.errors import ConfigError, DataError
from augdistill.config.checking import check
from augdistill.stages import evaluation, names, student, teacher
from augdistill.store.runs import Run, RunStore
from composed import changed, planned
from data_files import pixels, write_image


def write_flowers(root: Path, first: int = 0) -> Path:
    for seed, place in enumerate(f"{split}/{name}/{n}" for split in ("train", "test") for name in "ab" for n in "123"):
        write_image(root / f"{place}.png", pixels(25, 25, 3, seed=first + seed))
    return root


def trained(outputs: Path, path: Path) -> Run:
    words = ("dataset=image-folder", f"dataset.path={path}", "teacher.width=4", "optim.epochs=1", "runtime.device=cpu")
    config = core.compose("train-teacher", *words, "runtime.precision=fp32", f"outputs={outputs}")
    return teacher.run(check("teacher", config))


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A folder with one teacher, whose images have gone to elsewhere/blumen."""
    place = tmp_path_factory.mktemp("moved")
    run = trained(place / "outputs", write_flowers(place / "flowers"))
    (place / "elsewhere").mkdir()
    (place / "flowers").rename(place / "elsewhere" / "blumen")
    return place, run


def evaluated(place: Path, run: Run, **where: str) -> Run:
    outputs = str(place / "outputs")
    return evaluation.run(names.evaluation_config(run.path.name, "image-folder", outputs, **where))


def test_a_run_is_evaluated_where_its_images_are_now(flowers, tmp_path, monkeypatch) -> None:
    place, run = flowers
    assert run.config.dataset.parameters()["path"] == str(place / "flowers")
    with pytest.raises(DataError, match=r"image-folder is not in .*/flowers: .*set dataset\.path=FOLDER"):
        evaluated(place, run)
    first = evaluated(place, run, path=str(place / "elsewhere" / "blumen"))
    assert first.evaluation.test_set == "image-folder-blumen-test"
    shutil.copytree(place / "elsewhere" / "blumen", tmp_path / "flowers")
    assert evaluated(place, run, root=str(tmp_path)).id == first.id
    monkeypatch.setenv("AUGDISTILL_DATA", str(tmp_path))
    assert evaluated(place, run).id == first.id
    write_flowers(tmp_path / "flowers", first=100)  # other images of the same name are not taken for them
    with pytest.raises(DataError, match="image-folder is not in"):
        evaluated(place, run)
    with pytest.raises(DataError, match=r"dataset\.path=.*holds other training images than teacher-.*flowers"):
        evaluated(place, run, path=str(tmp_path / "flowers"))


def test_a_teacher_is_found_under_another_name_of_its_images(flowers) -> None:
    place, run = flowers
    assert "image-folder-flowers-resnet18" in run.path.name
    assert trained(place / "outputs", place / "elsewhere" / "blumen").path == run.path
    assert len(RunStore(place / "outputs").all("teacher")) == 1


def test_a_study_of_moved_images_plans_with_the_runs_that_are_there(flowers) -> None:
    place, _ = flowers
    words = (
        "study=tiny",
        "study.test_set=null",
        "dataset@study.dataset=image-folder",
        "study.blocks=1",
        f"outputs={place / 'outputs'}",
    )
    moved = f"study.dataset.path={place / 'elsewhere' / 'blumen'}"
    plan = planned(core.compose("study", *words, moved))
    tests = [stage for stage in plan.stages if stage.kind == "evaluation"]
    assert {stage.arm["test_set"] for stage in tests} == {"image-folder-blumen-test"}
    assert {stage.job["config"]["path"] for stage in tests} == {str(place / "elsewhere" / "blumen")}


def test_a_student_of_a_named_teacher_finds_its_images_again(flowers, monkeypatch) -> None:
    place, run = flowers
    words = (f"distillation.teacher={run.path.name}", "dataset=image-folder", "student=lenet", "optim.epochs=1")
    config = core.compose("distill", *words, "runtime.device=cpu", "runtime.precision=fp32")
    config = check("student", {**config, "outputs": str(place / "outputs")})
    with pytest.raises(DataError, match=r"image-folder is not in .*/flowers: .*set dataset\.path=FOLDER"):
        student.run(config)
    (place / "root").mkdir()
    shutil.copytree(place / "elsewhere" / "blumen", place / "root" / "flowers")
    monkeypatch.setenv("AUGDISTILL_DATA", str(place / "root"))
    made = student.run(config)
    assert made.manifest.document.data == run.manifest.document.data
    assert made.config.dataset.parameters()["path"] == str(place / "root" / "flowers")


def test_a_training_set_gives_what_is_asked_of_it(tmp_path: Path) -> None:
    config = core.teacher_config(tmp_path)
    found = names.dataset_header(config)
    assert (found.count, found.shape) == (1437, (1, 16, 16))
    for fitting in ({"validation": 1436}, {"mean": [0.5], "std": [0.5]}):
        names.check_training_set(changed(config.dataset, fitting), found)
    for wrong, message in (
        ({"validation": 1437}, r"dataset\.validation=1437 is out of range: fewer than its 1,437 images"),
        ({"mean": [0.5, 0.5], "std": [0.5, 0.5]}, r"dataset\.mean has 2 values for 1 channels"),
    ):
        with pytest.raises(ConfigError, match=message):
            names.check_training_set(changed(config.dataset, wrong), found)


def test_a_test_set_has_images_like_those_that_train(tmp_path: Path) -> None:
    found = names.dataset_header(core.teacher_config(tmp_path))
    names.check_test_set("x", found, found)
    for changes, words in (
        ({"shape": (3, 16, 16)}, "shape (3x16x16)"),
        ({"classes": ("a", "b")}, "classes (a, b, ...)"),
    ):
        with pytest.raises(DataError) as raised:
            names.check_test_set("x", replace(found, **changes), found)
        assert str(raised.value).startswith(f"x has images of other {words} than digits: leave it out")


def test_test_sets_that_are_there_have_fingerprints_and_the_others_reasons(tmp_path: Path) -> None:
    data_files.write_cifar10(tmp_path)
    words = ("dataset=cifar10", f"dataset.root={tmp_path}", "dataset.verify=false", "dataset.validation=0")
    config = core.teacher_config(tmp_path / "outputs", *words, "dataset.test_sets=[cifar10,cinic10,cifar10h]")
    found, missing = names.test_sets(config, names.dataset_header(config))
    assert found == {"cifar10": names.dataset_header(config, "test").fingerprint}
    assert {name: why.split(":")[0] for name, why in missing.items()} == {
        "cinic10": f"cinic10 is not in {tmp_path / 'CINIC-10' / 'test'}",
        "cifar10h": f"cifar10h is not in {tmp_path / 'cifar-10h'}",
    }
    data_files.write_cinic10(tmp_path)
    found, missing = names.test_sets(config, names.dataset_header(config))
    assert (list(found), list(missing)) == (["cifar10", "cinic10"], ["cifar10h"])
