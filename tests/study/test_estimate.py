"""How long a study still takes: known times added up by hand, what is borrowed of other studies, what is not known."""

import json
import re
from pathlib import Path

import pytest

import saved_studies
from augdistill.base.text import duration
from augdistill.executors.base import Board, Outcome
from augdistill.store.runs import RunStore
from augdistill.study import estimate
from augdistill.study.estimate import time_left
from augdistill.study.plan import Plan, make_plan
from plans import plan_of

TEACHER, STUDENT, OTHER = 40.0, 20.0, 1.0  # seconds of the runs that saved_studies writes


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> RunStore:
    """One finished block of the study tiny: 2 teachers, 2 outputs, 3 students, 5 evaluations."""
    return saved_studies.write_study(tmp_path_factory.mktemp("estimate") / "outputs", "study=tiny").store


def planned(store: RunStore, *words: str) -> Plan:
    return make_plan(saved_studies.study(store.outputs, *words))


def test_a_finished_study_takes_no_time(store):
    left, runs = time_left(planned(store, "study=tiny"), store, 2)
    assert (left.computing, left.waiting, left.unknown, runs) == (0, 0, {}, 0)


def test_one_more_block_takes_what_the_first_took_shared_over_the_workers(store):
    plan = planned(store, "study=tiny", "study.blocks=2")
    one_by_one = 2 * TEACHER + 3 * STUDENT + 7 * OTHER
    chain = TEACHER + OTHER + STUDENT + OTHER
    for workers, waiting in ((1, one_by_one), (2, one_by_one / 2), (8, chain)):
        left, runs = time_left(plan, store, workers)
        assert (left.computing, left.waiting) == pytest.approx((one_by_one, waiting))
        assert (left.unknown, runs) == ({}, 12)


def test_times_grow_with_epochs_and_images_and_the_threads_of_a_teacher(store):
    longer = planned(store, "study=tiny", "study.students.lenet.optim.epochs=3")
    assert time_left(longer, store, 1)[0].computing == pytest.approx(3 * 3 * STUDENT + 3 * OTHER)
    fewer = planned(store, "study=tiny", "study.dataset.validation=437", "study.runtime.threads.teacher=2")
    share = 1000 / 1437
    left = time_left(fewer, store, 2)[0]
    assert left.computing == pytest.approx(share * (2 * TEACHER + 3 * STUDENT) + 7 * OTHER)
    assert left.waiting == pytest.approx(share * (2 * TEACHER + 3 * STUDENT / 2) + 3.5 * OTHER)


def test_runs_of_another_study_tell_and_what_nothing_tells_is_named(store):
    words = ("study=tiny", "study.name=other", "study.aug=[mixup]", "study.base=mixup", "study.first_block=5")
    left, runs = time_left(planned(store, *words), store, 1)
    assert (left.computing, left.unknown) == (pytest.approx(TEACHER + 2 * STUDENT + 4 * OTHER), {})
    assert runs == 12
    wider, _ = time_left(planned(store, *words, "study.teacher.width=5"), store, 1)
    assert wider.unknown == {"teacher-digits-resnet18": 1, "outputs-digits-resnet18": 1}
    assert wider.computing == pytest.approx(2 * STUDENT + 3 * OTHER)


@pytest.mark.slow
def test_the_real_command_says_how_long(store, run_augdistill):
    ran = run_augdistill(
        ["study", "study=tiny", "study.blocks=2", "executor.workers=2", "dry_run=true"], store.outputs.parent
    )
    assert ran.code == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert [line.split() for line in lines[:-1]] == [
        ["finished", "to", "do", "all"],
        ["student", "lenet", "3", "3", "6"],
        ["evaluation", "digits-test", "5", "5", "10"],
        ["teacher", "resnet18", "2", "2", "4"],
        ["outputs", "2", "2", "4"],
        ["together", "12", "12", "24"],
    ]
    assert lines[-1:] == [
        "time left: about 1 min 14 s with 2 at once, 2 min 27 s one by one, told by 12 finished runs of the same kinds",
    ]
    fresh = run_augdistill(["study", "study=tiny", "dry_run=true", "outputs=elsewhere"], store.outputs.parent)
    assert re.search("no finished run tells how long these take: .*, 2 teacher-digits-resnet18,", fresh.stdout)
    assert "time left" not in fresh.stdout


@pytest.mark.slow
def test_ten_thousand_finished_stages_are_planned_found_and_timed_within_seconds(tmp_path: Path):
    config = saved_studies.study(tmp_path, "study.blocks=257")
    plan = make_plan(config)  # packs the data
    store, manifests = RunStore(tmp_path), {}
    for stage in plan.stages:
        if stage.kind not in manifests:
            saved_studies.publish(store, stage, [str(digit) for digit in range(10)], "finished", {})
            manifests[stage.kind] = json.loads((store.runs / stage.folder / "manifest.json").read_text())
            manifests[stage.kind].pop("checksum")  # of that one stage
            continue
        folder = store.runs / stage.folder
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps({**manifests[stage.kind], "id": stage.id}))
    board = Board(make_plan(config), RunStore(tmp_path))
    assert (len(board.results.found), board.total) == (len(plan.stages), 0)
    assert len(plan.stages) > 10_000
    assert time_left(plan, RunStore(tmp_path), 2)[0].computing == 0


def test_the_time_left_is_told_when_every_kind_left_is_known(tmp_path, monkeypatch):
    """By hand: two workers, stages of 10 s after 15 s; the six that are left take 6 * 10 / (3 * 10 / 15) s."""
    now = [100.0]
    monkeypatch.setattr(estimate.time, "monotonic", lambda: now[0])
    board = Board(plan_of(dict.fromkeys("abcdefghi", ())), RunStore(tmp_path))
    assert board.progress() == "0 of 9"
    now[0] += 15
    for name in "abc":
        board.ended(board.stages[name], Outcome("finished", seconds=10.0))
    assert board.eta.time_left() == pytest.approx(30.0)
    assert board.progress() == f"3 of 9, about {duration(30.0)} left"
    board.ended(board.stages["d"], Outcome("failed", "no space", 1))
    assert board.eta.time_left() == pytest.approx(25.0)
