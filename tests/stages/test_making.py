"""A run is found or made once, in its folder, under its lock; its model is of its seed alone; its epochs are told."""

import logging
from pathlib import Path

import pytest
import torch

import core
from augdistill import models
from augdistill.base.errors import ConfigError, DataError, HeldError, StoppedError
from augdistill.base.seeds import derive
from augdistill.stages import making, run_job
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from composed import changed
from tracking.heard import Heard, listening

REF = Ref("outputs", "0123abcd" * 8, "outputs-digits-x-0123abcd", {"parents": {}})
PROVENANCE = {"precision": "fp32", "began": "then", "ended": "now", "seconds": 1.0}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def test_a_run_that_is_there_is_found_and_one_that_is_not_is_made_under_its_lock(store: RunStore, caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    done: list[str] = []

    def make(folder: Path) -> Run:
        done.append("made")
        assert folder == store.folder(REF)
        with pytest.raises(HeldError), store.lock(REF, wait=False):
            pass
        logging.getLogger("augdistill").info("at work")
        return store.publish(REF, "finished", {}, {**PROVENANCE, "versions": {}, "parents": {}, "notes": []})

    first = making.find_or_make(REF, store, True, REF.id, make, lambda: done.append("checked"))
    assert done == ["checked", "made"]
    assert "at work" in (first.path / "log").read_text()
    assert making.find_or_make(REF, store, True, None, make, lambda: done.append("checked")) == first
    assert done == ["checked", "made"]


def test_what_is_refused_leaves_no_folder(store: RunStore) -> None:
    def refuse() -> None:
        raise ConfigError("no")

    def never(folder: Path) -> Run:
        raise AssertionError

    with pytest.raises(ConfigError, match="no"):
        making.find_or_make(REF, store, True, None, never, refuse)
    with pytest.raises(DataError, match="is not what was planned: its dataset changed since"):
        making.find_or_make(REF, store, True, "f" * 64, never)
    with store.lock(REF), pytest.raises(HeldError):
        making.find_or_make(REF, store, False, None, never)
    assert not store.runs.exists()


def test_an_untrained_model_is_of_the_jobs_seed_and_kind(tmp_path: Path) -> None:
    config = core.teacher_config(tmp_path, "seed=5")
    found = making.build(config, (1, 16, 16), 10).state_dict()
    expected = models.build("resnet18", (1, 16, 16), 10, seed=derive(5, "teacher", "weights"), width=4).state_dict()
    assert core.same(found, expected)
    other = making.build(changed(config, {"seed": 6}), (1, 16, 16), 10).state_dict()
    assert not torch.equal(found["head.weight"], other["head.weight"])


def test_an_epoch_is_a_line_of_the_log_where_no_terminal_is(caplog, monkeypatch) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    monkeypatch.setenv("AUGDISTILL_WORKER", "1")
    tell = making.Progress("a teacher", 3)
    tell(1, {"epoch": 1, "lr": 0.1, "loss": 1.23456, "validation_accuracy": 0.5, "images_per_second": 99.6})
    assert caplog.messages == ["epoch 2/3: loss 1.235, validation_accuracy 0.5, 100 images/s, 0 s left"]
    tell(2, {"epoch": 2, "lr": 0.1, "loss": 1.0, "ce": 1.0, "kd": 0.0, "images_per_second": 99.6})
    assert caplog.messages[1:] == ["epoch 3/3: loss 1, 100 images/s"]  # labels alone have no parts
    assert tell.bar is None


def test_the_time_left_is_told_once_after_the_first_steps_of_a_long_epoch(caplog, monkeypatch) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    now = iter(range(100, 200))
    monkeypatch.setattr(making.time, "monotonic", lambda: next(now))
    tell = making.Progress("a teacher", 3, began=0.0)
    for step in range(1, 40):
        tell.pace(step, 1210)
    # Ten steps of one second each were taken when step 11 had ended; 1,199 are left.
    assert caplog.messages == ["a teacher: 19 min 59 s left for 3 epochs"]


def test_trackers_hear_what_the_history_says_and_change_no_run(tmp_path: Path, monkeypatch, caplog) -> None:
    heard, bad = Heard(), Heard("write")
    listening(monkeypatch, paper=heard, bad=bad)
    made = []
    for name, trackers in (("calm", []), ("told", ["paper", "bad"])):
        config = core.student_values(tmp_path / name, "distillation.alpha=0", "runtime.checkpoint_every=0min")
        job = {"kind": "student", "config": config, "trackers": trackers}
        with core.stopping_after(7), pytest.raises(StoppedError):
            run_job(job)
        assert heard.status == ({core.unfinished(tmp_path / name).name: "stopped"} if trackers else {})
        made.append(run_job(job))
    calm, told = made
    assert (told.id, told.path.name) == (calm.id, calm.path.name)
    assert core.same(core.weights(told), core.weights(calm))
    assert told.manifest.files.keys() == calm.manifest.files.keys()
    assert told.manifest.config.keys() == calm.manifest.config.keys()
    rows = [{name: row[name] for name in row if name != "images_per_second"} for row in heard.rows[told.path.name]]
    assert rows == core.history(told) == core.history(calm)
    assert heard.status == {told.path.name: "finished"}
    assert sum("tracker bad failed" in line for line in caplog.messages) == 2  # of each attempt once


@pytest.mark.parametrize(("shorter", "level"), [("teacher=resnet9 takes less", "WARNING"), ("", "INFO")])
def test_what_takes_hours_on_a_cpu_names_what_takes_less_after_few_steps(caplog, monkeypatch, shorter, level) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    now = iter(range(100, 1000, 12))
    monkeypatch.setattr(making.time, "monotonic", lambda: next(now))
    tell = making.Progress("a teacher", 200, shorter, began=0.0)
    for step in range(1, 10):
        tell.pace(step, 78_200)
    # Two steps of 12 seconds were taken when step 3 had ended: 78,197 are left.
    words = " on this CPU; teacher=resnet9 takes less" if shorter else ""
    assert caplog.messages == [f"a teacher: 260 h 39 min left for 200 epochs{words}"]
    assert caplog.records[0].levelname == level


def test_what_takes_less_is_another_model_or_fewer_epochs_and_in_a_study_nothing(tmp_path: Path, monkeypatch) -> None:
    config = core.teacher_config(tmp_path)
    assert making.shorter(config) == "teacher=resnet9 teacher.width=16 takes less (docs/recipes.md)"
    small = core.teacher_config(tmp_path, "teacher=resnet9", "teacher.width=8")
    assert making.shorter(small) == "fewer optim.epochs take less (docs/recipes.md)"
    monkeypatch.setenv("AUGDISTILL_WORKER", "1")
    assert making.shorter(config) == ""
