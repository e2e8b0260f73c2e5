"""The stage that trains a bank: the runs of its students alone, resumed, diverged, killed, held."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import core
from augdistill.base.errors import HeldError, RequestError, StoppedError
from augdistill.config.checking import check
from augdistill.stages import bank, run_job, student
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.bank import BankTargets
from faults.harness import Ended, ended, results, start
from tracking.heard import Heard, listening

ARMS = {
    "labels": ("seed=1", "distillation.alpha=0"),
    "plain": ("seed=1",),
    "hotter": ("seed=2", "distillation.temperature=4", "distillation.alpha=0.9"),
    "mean": ("seed=1", "distillation.transform=class-mean"),
}
TEACHER = ("aug=cutmix", "teacher_seed=0", "runtime.checkpoint_every=0min")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder with a teacher and its outputs, and every student as it is alone."""
    outputs = tmp_path_factory.mktemp("alone")
    run_job({"kind": "teacher", "config": core.teacher_values(outputs, "aug=cutmix")})
    for job in jobs(outputs):
        run_job(job)
    return outputs


@pytest.fixture
def taught(alone: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a fresh outputs folder in which only the teacher and its outputs are."""

    def make(name: str) -> Path:
        keep = core.copied_without(alone, tmp_path / name, "student")
        return keep

    return make


def jobs(outputs: Path, arms: Any = ARMS) -> list[dict[str, Any]]:
    return [{"kind": "student", "config": core.student_values(outputs, *TEACHER, *ARMS[name])} for name in arms]


def ref_of(job: dict[str, Any]) -> Ref:
    config = check("student", job["config"])
    return student.named(config, RunStore(Path(config.outputs)), None).ref


def furthest(one: Run, other: Run) -> float:
    mine, theirs = core.weights(one), core.weights(other)
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine)


def test_a_bank_makes_the_runs_that_its_students_are_alone(alone: Path, taught: Callable[[str], Path], caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    outputs = taught("bank")
    made = bank.run(jobs(outputs))
    assert [run.config.seed for run in made] == [1, 1, 2, 1]
    assert [bool(run.manifest.provenance.parents) for run in made] == [False, True, True, True]
    for run in made:
        single = RunStore(alone).find(run.ref)
        assert single is not None
        assert furthest(run, single) < 1e-5
        rows, expected = core.history(run), core.history(single)
        assert [list(row) for row in rows] == [list(row) for row in expected]
        torch.testing.assert_close(
            [list(row.values()) for row in rows], [list(row.values()) for row in expected], rtol=1e-3, atol=1e-4
        )
        assert run.model.distillation == pytest.approx(single.model.distillation, rel=1e-3, abs=1e-6)
        unlike = {"files", "provenance", "training_accuracy", "dead_units", "distillation", "config"}
        assert run.manifest.model_dump(exclude=unlike) == single.manifest.model_dump(exclude=unlike)
        assert run.manifest.files.keys() == single.manifest.files.keys()
        assert run.manifest.provenance.bank == tuple(member.path.name for member in made)
        log = (run.path / "log").read_text()
        assert "a bank of 4 students: student-digits-lenet-labels-s1-" in log
        assert "students 4" in log
    assert furthest(made[1], made[2]) > 1e-3
    assert not list((outputs / "banks").iterdir())
    again = bank.run(jobs(outputs))
    assert [run.manifest for run in again] == [run.manifest for run in made]


@pytest.mark.parametrize("steps", [3, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (5, 12))])
def test_a_stopped_bank_goes_on_to_the_same_bits(steps: int, taught: Callable[[str], Path], caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    calm, stopped = taught("calm"), taught("stopped")
    expected = bank.run(jobs(calm))
    with core.stopping_after(steps), pytest.raises(StoppedError, match=f"stopped at step {steps} with"):
        bank.run(jobs(stopped))
    (folder,) = (stopped / "banks").iterdir()
    state = core.checkpoint_weights(core.checkpoints(folder)[-1])
    final = [core.weights(run) for run in expected]
    assert not any(torch.equal(state[f"stacked.{name}"][k], final[k][name]) for k in range(4) for name in final[k])
    bank.run(jobs(stopped))
    assert any(f"goes on from step {steps}," in line for line in caplog.messages)
    assert results(stopped) == results(calm)


def test_trackers_hear_of_each_student_of_a_bank(taught: Callable[[str], Path], monkeypatch) -> None:
    heard, outputs = Heard(), taught("told")
    listening(monkeypatch, paper=heard)
    made = bank.run([{**job, "trackers": ["paper"]} for job in jobs(outputs)])
    for run in made:
        rows = [{name: row[name] for name in row if name != "images_per_second"} for row in heard.rows[run.path.name]]
        assert rows == core.history(run)
    assert heard.status == {run.path.name: "finished" for run in made}


@pytest.mark.slow
def test_a_bank_killed_while_it_publishes_publishes_the_rest(taught: Callable[[str], Path]) -> None:
    """Killed after two of four runs: these stay as they are, the others come from the last checkpoint."""
    calm, killed = taught("calm"), taught("killed")
    bank.run(jobs(calm))
    last = ended(PublishingTwo(killed), killed / "told")
    assert last.code == 77
    there = [path.parent for path in (killed / "runs").glob("student-*/manifest.json")]
    assert len(there) == 2
    before = [path.stat().st_mtime_ns for path in there]
    (log,) = {len((path / "log").read_text().splitlines()) for path in there}
    bank.run(jobs(killed))
    assert results(killed) == results(calm)
    assert [path.stat().st_mtime_ns for path in there] == before
    assert {len((path / "log").read_text().splitlines()) for path in there} == {log}


class PublishingTwo:
    """Work that ends, as by a kill, before a bank's third run is published."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs

    def __call__(self) -> None:
        import os

        publish, calls = student.publish, []

        def counting(*arguments: Any) -> Run:
            calls.append(1)
            if len(calls) == 3:
                os._exit(77)
            return publish(*arguments)

        student.publish = counting
        bank.run(jobs(self.outputs))


class Working:
    """A bank as work for a process of its own."""

    def __init__(self, outputs: Path, arms: tuple[str, ...]) -> None:
        self.outputs, self.arms = outputs, arms

    def __call__(self) -> None:
        bank.run(jobs(self.outputs, self.arms))


@pytest.mark.slow
def test_two_banks_that_share_students_wait_for_each_other(taught: Callable[[str], Path]) -> None:
    """In other orders, at once: nobody waits for ever, and every student is published once."""
    outputs = taught("both")
    one, other = (
        start(Working(outputs, arms), outputs / f"told-{arms[0]}")
        for arms in (("labels", "plain", "hotter"), ("hotter", "plain", "labels"))
    )
    assert (one.wait(), other.wait()) == (Ended(0, ""), Ended(0, ""))
    assert len([name for name in results(outputs) if name.startswith("student")]) == 3


def test_a_member_that_diverges_is_published_as_such_and_the_others_finish(taught: Callable[[str], Path]) -> None:
    outputs, calm, steps, healthy = taught("hurt"), taught("calm"), [], BankTargets.losses

    def losses(self: BankTargets, logits: Tensor, rows: Tensor) -> Tensor:
        steps.append(1)
        factor = torch.ones(len(rows), 1)
        factor[1] = float("nan") if len(steps) == 7 else 1
        return healthy(self, logits, rows) * factor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BankTargets, "losses", losses)
        made = bank.run(jobs(outputs))
    assert [run.status for run in made] == ["finished", "diverged", "finished", "finished"]
    assert len(core.history(made[1])) == 1
    assert "diverged: its loss or weights were not finite in epoch 1" in (made[1].path / "log").read_text()
    assert "weights.safetensors" not in made[1].manifest.files
    for run, whole in zip(made, bank.run(jobs(calm)), strict=True):
        assert run is made[1] or core.same(core.weights(run), core.weights(whole))


def test_a_student_that_is_held_elsewhere_is_waited_for_or_told(taught: Callable[[str], Path]) -> None:
    outputs = taught("held")
    with RunStore(outputs).lock(ref_of(jobs(outputs)[1])), pytest.raises(HeldError, match=r"-cutmix-s1-\w+ is held by"):
        bank.run([{**job, "wait": False} for job in jobs(outputs)])
    assert not list(outputs.glob("banks/*"))


def test_a_missing_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="augdistill train-teacher"):
        bank.run(jobs(tmp_path))
    assert not list(tmp_path.glob("runs/*"))


def test_a_job_with_a_bank_returns_its_own_run(alone: Path) -> None:
    together = [{**job, "id": "", "folder": ""} for job in jobs(alone)]
    for job in together:
        ref = ref_of(job)
        job |= {"id": ref.id, "folder": ref.folder}
    for job in together:
        assert run_job({**job, "bank": together}).id == job["id"]


def test_locks_are_taken_in_one_order_whatever_that_of_the_jobs(taught: Callable[[str], Path], monkeypatch) -> None:
    outputs, taken, writing = taught("ordered"), [], RunStore.writing

    def noting(store: RunStore, ref: Ref, wait: bool) -> Any:
        taken.append(ref.id)
        return writing(store, ref, wait)

    monkeypatch.setattr(RunStore, "writing", noting)
    for arms in (list(ARMS), list(ARMS)[::-1]):
        with core.stopping_after(1), pytest.raises(StoppedError):
            bank.run(jobs(outputs, arms))
    assert taken == 2 * sorted(set(taken))
    assert len(taken) == 8


def test_a_bank_at_work_is_not_removed_and_an_abandoned_one_is(taught: Callable[[str], Path], monkeypatch) -> None:
    outputs = taught("removed")
    store = RunStore(outputs)

    def removing(*_: Any) -> None:
        (folder,) = store.banks.iterdir()
        with pytest.raises(HeldError, match=f"{folder.name} is worked on by"):
            store.remove(folder)
        raise StoppedError("seen enough")

    monkeypatch.setattr(bank, "fit_bank", removing)
    with pytest.raises(StoppedError):
        bank.run(jobs(outputs))
    (folder,) = store.banks.iterdir()
    store.remove(folder)
    assert not list(store.banks.iterdir())
