"""Banks of a plan: who is in one, when it is ready, what a failure takes out of it, and a study that trains in them."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from augdistill.base.errors import ConfigError, RequestError
from augdistill.config.checking import check_group
from augdistill.config.groups import Distillation, Optim, Runtime
from augdistill.executors import local
from augdistill.executors.banks import SMALL, banks_of, stacked_size
from augdistill.executors.base import Board, Outcome
from augdistill.losses import LOSSES
from augdistill.models import MODELS
from augdistill.stages import run_job
from augdistill.store.identity import DIFFERING, without
from augdistill.store.runs import RunStore
from augdistill.study.arms import with_value
from augdistill.study.plan import Plan, make_plan
from augdistill.study.stage import Stage
from composed import changed, study
from plans import FINISHED
from tiny import EXECUTOR, bad_teacher, is_without_the_bad_teachers_student, manifests, students, tiny_plan


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Plan:
    """Two blocks of LeNet and AlexNet students of two teachers and a control, two seeds each, on digits."""
    words = ("study=tiny", "study.blocks=2", "study.students_per_teacher=2", "dataset@study.dataset=digits")
    alexnet = ("+student@study.students.alexnet=alexnet", "+optim@study.students.alexnet.optim=alexnet")
    return make_plan(study(tmp_path_factory.mktemp("banks"), *words, *alexnet, "study.dataset.size=32"))


def members(banks: dict) -> list[list[tuple]]:
    """Return who is in each bank: model, block, teacher's strategy and seed."""
    keys = ("model", "block", "teacher_aug", "student_seed")
    found = {bank[0].id: bank for bank in banks.values()}
    return [[tuple(stage.arm[key] for key in keys) for stage in bank] for bank in found.values()]


def test_auto_puts_the_small_students_of_a_block_into_one_bank_on_a_gpu(paper):
    arms = [("labels", 0), ("labels", 1), ("baseline", 0), ("baseline", 1), ("cutmix", 0), ("cutmix", 1)]
    assert members(banks_of(paper, "auto", on_gpu=True)) == [
        [("lenet", block, aug, 2 * block + k) for aug, k in arms] for block in (0, 1)
    ]
    assert not banks_of(paper, "auto", on_gpu=False)


def test_a_number_puts_all_that_can_be_stacked_into_even_parts(paper):
    assert [len(bank) for bank in members(banks_of(paper, 4, on_gpu=False))] == [3, 3] * 4
    assert [len(bank) for bank in members(banks_of(paper, 6, on_gpu=False))] == [6] * 4
    assert not banks_of(paper, 1, on_gpu=True)


@pytest.mark.parametrize(
    "words",
    [
        ("study.student_aug=[flip-crop]",),
        ("study.students.lenet.optim.select=best-test",),
        ("study.students.lenet.optim.stop_accuracy=0.9", "study.dataset.validation=300"),
        ("student@study.students.lenet=resnet18", "study.students.lenet.width=4"),
    ],
)
def test_students_that_cannot_be_stacked_stay_alone(words, tmp_path):
    assert not banks_of(tiny_plan(tmp_path, *words), 25, on_gpu=True)


def test_what_trains_by_another_recipe_is_in_another_bank(tmp_path):
    plan = tiny_plan(tmp_path, "study.grids=[{optim.lr: [0.02]}, {distillation.temperature: [4, 10]}]")
    found = [
        {stage.arm["variant"] for stage in bank}
        for bank in {b[0].id: b for b in banks_of(plan, 25, True).values()}.values()
    ]
    assert found == [{"", "distillation.temperature=4", "distillation.temperature=10"}, {"optim.lr=0.02"}]


def test_models_are_asked_whether_they_can_be_stacked():
    dataset = check_group("dataset", {"name": "cifar10"})
    sizes = {name: stacked_size(check_group("student", {"name": name}), dataset) for name in MODELS}
    small = {name: size < SMALL for name, size in sizes.items() if size is not None}  # all others have batch norm
    assert small == {"lenet": True, "alexnet": False, "alexnet-small": True}


def test_a_loss_that_takes_no_bank_trains_alone_and_is_refused_in_one(tmp_path, monkeypatch):
    plan = tiny_plan(tmp_path, "study.students_per_teacher=2", "loss@study.distillation.loss=dkd")
    assert banks_of(plan, 25, on_gpu=True)
    monkeypatch.setitem(LOSSES.own, "dkd", replace(LOSSES["dkd"], stacks=False))
    assert not banks_of(plan, 25, on_gpu=True)
    student = next(stage for stage in plan.stages if stage.kind == "student")
    with pytest.raises(RequestError, match=r"^distillation\.loss=dkd cannot train students as a bank"):
        run_job(replace(student, bank=(student,)).job)


def test_members_share_every_field_but_those_that_are_listed(tmp_path):
    plan = tiny_plan(tmp_path, "study.students_per_teacher=3")
    assert len({bank[0].id for bank in banks_of(plan, 25, True).values()}) == 1
    values = next(stage for stage in plan.stages if stage.kind == "student").config.plain()
    for path in FIELDS:  # every field, and ones that nobody has thought of yet
        other = without(DIFFERING, with_value(values, path, "another"))
        is_own = path[0] in MAY_DIFFER or path in OWN_TEACHER or path[-1] in MAY_DIFFER
        assert (other == without(DIFFERING, values)) == is_own, path


OWN_TEACHER = [("distillation", "teacher")]
MAY_DIFFER = {
    "seed",
    "teacher_seed",
    "aug",
    "teacher",
    "teacher_optim",
    "alpha",
    "label_weight",
    "mixed_labels",
    "temperature",
    "view",
    "transform",
    "sd",
    "teacher_weights",
    "ensemble",
}
FIELDS = [
    *(("distillation", field) for field in (*(set(Distillation.model_fields) - {"loss"}), "beta")),
    ("distillation", "loss", "beta"),
    *(("optim", field) for field in (*(set(Optim.model_fields) - {"select", "stop_accuracy"}), "sharpness")),
    *(("runtime", field) for field in (*Runtime.model_fields, "new")),
    ("dataset", "size"),
    ("dataset", "new"),
    ("student", "new"),
    ("outputs",),
    ("seed",),
    ("teacher_seed",),
    ("teacher", "width"),
    ("teacher_optim", "lr"),
    ("new",),
]


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "all", None])
def test_a_size_that_cannot_be_is_refused(size):
    with pytest.raises(ConfigError, match=r"executor.bank=\S+ is out of range: auto, or how many students .* as in"):
        check_group("executor", {**EXECUTOR.plain(), "bank": size})


# The board.


def named(board: Board, stages: list[Stage]) -> list[list[str]]:
    """Return the arms that run together, for each stage that is ready."""
    folders = {stage.folder: stage for stage in board.stages.values()}
    return [
        [folders[job["folder"]].arm["teacher_aug"] for job in stage.job.get("bank", [{"folder": stage.folder}])]
        for stage in stages
        if stage.kind == "student"
    ]


def tiny_board(tmp_path: Path, size: int = 3) -> Board:
    plan = tiny_plan(tmp_path)
    board = Board(plan, RunStore(tmp_path))
    board.banks = banks_of(plan, size, on_gpu=False)
    return board


def end(board: Board, kind: str, aug: str, outcome: Outcome = FINISHED) -> list[Stage]:
    (stage,) = (s for s in board.stages.values() if s.kind == kind and s.arm["teacher_aug"] == aug)
    return board.ended(stage, outcome)


def test_a_bank_is_ready_when_the_last_of_its_students_is(tmp_path):
    board = tiny_board(tmp_path)
    assert named(board, board.ready) == []  # the control waits for the others
    end(board, "teacher", "baseline"), end(board, "teacher", "cutmix")
    assert named(board, end(board, "outputs", "baseline")) == []
    assert (
        named(board, end(board, "outputs", "cutmix")) == named(board, board.ready) == [["labels", "baseline", "cutmix"]]
    )


@pytest.mark.parametrize("order", [("baseline", "cutmix"), ("cutmix", "baseline")])
def test_a_teacher_that_fails_takes_its_students_out(order, tmp_path):
    board = tiny_board(tmp_path)
    found = []
    for aug in order:
        found += end(board, "teacher", aug, FINISHED if aug == "cutmix" else Outcome("diverged"))
        found += end(board, "outputs", aug) if aug == "cutmix" else []
    assert named(board, found) == [["labels", "cutmix"]]


def test_where_one_student_is_left_it_runs_alone(tmp_path):
    board = tiny_board(tmp_path)
    end(board, "teacher", "baseline", Outcome("diverged"))
    assert named(board, end(board, "teacher", "cutmix", Outcome("failed", "no space", 1))) == [["labels"]]
    assert "bank" not in board.ready[0].job


def test_an_error_of_a_bank_is_that_of_each_of_its_students(tmp_path, caplog):
    caplog.set_level(logging.INFO, "augdistill")
    board = tiny_board(tmp_path)
    for aug in ("baseline", "cutmix"):
        end(board, "teacher", aug)
        ready = end(board, "outputs", aug)
    (bank,) = (stage for stage in ready if stage.kind == "student")
    board.started(bank)
    assert len([line for line in caplog.messages if line.startswith("started student")]) == 3
    board.ended(bank, Outcome("failed", "no memory", 1, seconds=12))
    assert [outcome.error for outcome in board.results.failed.values()] == ["no memory"] * 3
    assert [outcome.seconds for outcome in board.results.failed.values()] == [4] * 3  # shared out
    assert not [stage for stage in board.todo if stage.kind == "student"]


# A study.


@pytest.fixture(scope="module")
def banked(tmp_path_factory, tiny_study) -> Path:
    """The tiny study, its teachers as they are there, its three students trained in one bank."""
    outputs = tmp_path_factory.mktemp("banked") / "outputs"
    shutil.copytree(tiny_study, outputs)
    for path in (outputs / "runs").iterdir():
        if "student" in path.name:
            shutil.rmtree(path)
    results = local.run(tiny_plan(outputs), RunStore(outputs), changed(EXECUTOR, {"bank": 25}))
    assert {outcome.status for outcome in results.outcomes.values()} == {"finished"}
    return outputs


@pytest.mark.slow
def test_a_study_in_banks_makes_the_runs_that_it_makes_without(banked, tiny_study):
    mine, theirs = students(banked), students(tiny_study)
    assert manifests(banked).keys() == manifests(tiny_study).keys()
    assert len(mine) == 3
    for name, manifest in mine.items():
        alone, stacked = (
            load_file(outputs / "runs" / name / "weights.safetensors") for outputs in (tiny_study, banked)
        )
        for key in alone:
            torch.testing.assert_close(stacked[key], alone[key], rtol=0, atol=2e-2)  # bf16 where the machine has it
        assert manifest["document"] == theirs[name]["document"]
        assert manifest["files"].keys() == theirs[name]["files"].keys()
        assert sorted(manifest["provenance"]["bank"]) == sorted(mine)
        assert "bank" not in theirs[name]["provenance"]
        assert manifest["provenance"]["parents"] == theirs[name]["provenance"]["parents"]
    assert not list((banked / "banks").iterdir())


@pytest.mark.slow
def test_a_bank_trains_without_the_students_of_a_teacher_that_failed(tmp_path):
    plan = bad_teacher(tmp_path)
    results = local.run(plan, RunStore(tmp_path), changed(EXECUTOR, {"bank": 3}))
    folders = {stage.id: stage.folder for stage in plan.stages}
    is_without_the_bad_teachers_student(tmp_path, [folders[id] for id in results.blocked])


@pytest.mark.slow
def test_a_student_that_is_missing_is_trained_in_the_bank_that_it_was_in(banked, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(banked, outputs)
    lost, *others = sorted(students(outputs))
    before = {name: (outputs / "runs" / name / "manifest.json").stat().st_mtime_ns for name in others}
    shutil.rmtree(outputs / "runs" / lost)
    results = local.run(tiny_plan(outputs), RunStore(outputs), changed(EXECUTOR, {"bank": 25}))
    assert [outcome.status for outcome in results.outcomes.values()] == ["finished"]
    files = [students(folder)[lost]["files"] for folder in (banked, outputs)]
    assert files[0]["weights.safetensors"] == files[1]["weights.safetensors"]
    assert {name: (outputs / "runs" / name / "manifest.json").stat().st_mtime_ns for name in others} == before
