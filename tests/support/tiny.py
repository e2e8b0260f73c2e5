"""The tiny study's plan, and what a run of it leaves behind."""

import json
from dataclasses import replace
from pathlib import Path

from augdistill.config.executors import Local
from augdistill.study.plan import Plan, make_plan
from composed import study

EXECUTOR = Local(name="local", workers=2)


def tiny_plan(outputs: Path, *overrides: str) -> Plan:
    return make_plan(study(outputs, "study=tiny", *overrides))


def manifests(outputs: Path) -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in (outputs / "runs").glob("*/manifest.json")}


def training_workers(outputs: Path) -> list[int]:
    """Return the processes that hold a teacher, as their locks say."""
    owners = [path.read_text() for path in (outputs / "locks").glob("*.owner")]
    return [int(text.split()[2]) for text in owners if len(text.split()) > 2]


def bad_teacher(outputs: Path) -> Plan:
    """Return the tiny study's plan with a teacher, of cutmix, that cannot be trained."""
    plan = tiny_plan(outputs)
    (bad,) = (stage for stage in plan.stages if stage.kind == "teacher" and stage.arm["teacher_aug"] == "cutmix")
    optim = bad.config.optim.model_copy(update={"epochs": -1})  # what the planner would have refused
    plan.stages[plan.stages.index(bad)] = replace(bad, config=bad.config.model_copy(update={"optim": optim}))
    return plan


def is_without_the_bad_teachers_student(outputs: Path, blocked: list[str]) -> None:
    """Assert that a bank trained the two students that it could, and that the third is blocked."""
    made = students(outputs)
    assert [name.split("-")[3] for name in sorted(made)] == ["baseline", "labels"]
    assert {tuple(sorted(manifest["provenance"]["bank"])) for manifest in made.values()} == {tuple(sorted(made))}
    assert len([name for name in blocked if name.startswith("student") and "-cutmix-" in name]) == 1
    assert not list((outputs / "banks").iterdir())


def students(outputs: Path) -> dict[str, dict]:
    return {name: manifest for name, manifest in manifests(outputs).items() if name.startswith("student")}
