"""A job is refused in one line, or given to the stage of its kind, with what it says beside its config."""

from types import SimpleNamespace
from typing import Any

import pytest

import core
from augdistill.base.errors import RequestError
from augdistill.stages import bank, evaluation, outputs, parents, run_job, student, teacher

ID = "0123456789abcdef" * 4
EVALUATION = {"run": "teacher-x", "test_set": "digits", "outputs": "o", "root": None, "verify": None}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """What the stages are called with, instead of running."""
    seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    for module in (teacher, student, outputs, evaluation):
        name = module.__name__.rpartition(".")[2]
        monkeypatch.setattr(module, "run", lambda *words, name=name, **how: seen.append((name, words, how)))
    monkeypatch.setattr(parents, "with_teacher", lambda config, store: (config, str(store.outputs)))
    return seen


def test_a_job_goes_to_the_stage_of_its_kind_with_its_typed_config(called, tmp_path) -> None:
    of_teacher, of_student = core.teacher_config(tmp_path), core.student_config(tmp_path)
    run_job({"kind": "teacher", "config": of_teacher.plain()})
    run_job({"kind": "student", "config": of_student.plain(), "wait": False, "id": ID})
    run_job({"kind": "outputs", "config": of_student.plain()})
    assert called == [
        ("teacher", (of_teacher,), {"wait": True, "planned": None}),
        ("student", (of_student,), {"wait": False, "planned": ID}),
        ("outputs", (of_student, str(tmp_path)), {"wait": True, "planned": None}),
    ]
    config = {**EVALUATION, "normalisation": "own", "runtime": {"device": "cpu", "threads": 3}}
    run_job({"kind": "evaluation", "config": config})
    name, (typed,), _ = called[-1]
    assert (name, typed.run, typed.normalisation, typed.runtime.threads) == ("evaluation", "teacher-x", "own", 3)


def test_of_a_bank_the_jobs_own_run_is_returned(tmp_path, monkeypatch) -> None:
    config = core.student_config(tmp_path).plain()
    members = [{"kind": "student", "config": config, "id": id * 64, "folder": f"student-{id}"} for id in "abc"]
    seen: list[Any] = []

    def run(jobs: list[dict[str, Any]]) -> list[SimpleNamespace]:
        seen.extend(jobs)
        return [SimpleNamespace(id=job["id"]) for job in jobs]

    monkeypatch.setattr(bank, "run", run)
    assert run_job({"kind": "student", "config": config, "id": "b" * 64, "bank": members}).id == "b" * 64
    assert seen == members


@pytest.mark.parametrize("job", [{}, {"kind": "x", "config": {"outputs": "o"}}, {"kind": "teacher", "config": {}}])
def test_what_is_no_job_is_refused_by_its_place(job: dict[str, Any], called) -> None:
    with pytest.raises(
        RequestError, match=r"^the job's (kind|config\.outputs) is missing.*: a job is \{\"kind\": one of "
    ):
        run_job(job)
    assert called == []
