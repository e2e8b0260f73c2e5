"""Evaluations that are older than a metric: what is added to them, from what, and what stays."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augdistill.api import score_predictions
from augdistill.cli import commands
from augdistill.config.jobs import DataOf
from augdistill.metrics import METRICS
from augdistill.report.command import write_report
from augdistill.report.page.warnings import study_warnings
from augdistill.results.study import SavedStudy
from augdistill.stages import completion, evaluation
from augdistill.store import runs
from augdistill.store.runs import Run, RunStore
from composed import compose
from core import flip_bit, rewrite_manifest

GONE = ("ece", "label_information_4", "discrimination_corrected", "teacher_kl_at_temperature", "of_another_version")


@pytest.fixture
def outputs(tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny study, in which no model can be loaded."""
    monkeypatch.setattr(evaluation, "load_model", lambda *_: pytest.fail("a model was loaded"))
    return Path(shutil.copytree(tiny_study, tmp_path / "outputs"))


def evaluate(outputs: Path, *words: str) -> None:
    commands.evaluate(compose("evaluate", f"outputs={outputs}", *words))


def scored(outputs: Path) -> list[Run]:
    store = RunStore(outputs)
    return store.all("evaluation") + store.all("outputs")


def scalars(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / "metrics.json").read_text())["scalars"]
    return found


def forget(run: Run, *gone: str) -> None:
    """Take metrics out of a run's metrics.json, as a version would that did not have them."""
    path = run.path / "metrics.json"
    content = json.loads(path.read_text())
    content["scalars"] = {name: value for name, value in content["scalars"].items() if name not in gone}
    path.write_text(json.dumps(content))
    rewrite_manifest(run)


def state(outputs: Path) -> dict[Path, tuple[int, bytes]]:
    paths = (path for path in (outputs / "runs").rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def test_what_lacks_is_computed_from_what_was_saved_and_once(outputs: Path) -> None:
    saved = SavedStudy.load("tiny", outputs)
    assert not [line for line in study_warnings(saved) if "newer metric" in line]
    before = {run.path: (run.id, (run.path / "metrics.json").read_text()) for run in scored(outputs)}
    assert {METRICS[name].needs for name in GONE[:4]} == {METRICS[name].needs for name in set(METRICS) & set(GONE)}
    for run in scored(outputs):
        forget(run, *GONE)
    told = "\n".join(study_warnings(SavedStudy.load("tiny", outputs)))
    assert f"lack ECE, a newer metric: augdistill evaluate outputs={outputs} adds it from what they saved." in told
    assert "lack Discrimination, a newer metric" in told
    evaluate(outputs)
    assert {run.path: (run.id, (run.path / "metrics.json").read_text()) for run in scored(outputs)} == before
    assert not [line for run in scored(outputs) for line in RunStore(outputs).damage(run.path)]
    assert not [line for line in study_warnings(SavedStudy.load("tiny", outputs)) if "newer metric" in line]
    after = state(outputs)
    evaluate(outputs)
    assert state(outputs) == after


def test_one_run_is_completed_alone_and_what_no_version_knows_is_kept(outputs: Path) -> None:
    first, second = RunStore(outputs).all("evaluation")[:2]
    for run in (first, second):
        content = json.loads((run.path / "metrics.json").read_text())
        content["scalars"] = {"of_another_version": 0.5, **content["scalars"]}
        (run.path / "metrics.json").write_text(json.dumps(content))
        forget(run, "brier")
    evaluate(outputs, f"run={first.manifest.config['run']}")
    assert list(scalars(first))[-1] == "of_another_version"
    assert "brier" in scalars(first)
    assert "brier" not in scalars(second)


def test_one_that_was_killed_between_two_writes_is_whole_and_completed_next_time(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = RunStore(outputs).all("outputs")[:1]
    forget(run, "nll")
    old = RunStore(outputs).get(run.path.name)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_atomic", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            completion.complete(old, DataOf("", str(outputs)))
    assert "nll" not in scalars(run)
    assert not RunStore(outputs).damage(run.path)
    evaluate(outputs)
    assert "nll" in scalars(run)
    assert old.file("metrics.json")  # for whoever read the manifest before
    flip_bit(run.path / "metrics.json", 30)
    assert RunStore(outputs).damage(run.path) == [f"{run.path / 'metrics.json'} is damaged (its checksum differs)"]


@pytest.mark.slow
def test_a_metric_is_one_entry(outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    places = ("table-5", "table-calibration", "table-teachers", "figure-properties")
    toy = replace(METRICS["accuracy"], label="Share of 7", stands_in=places, heading="7s", percent=False)
    toy = replace(toy, compute=lambda p: (p.log_probabilities.argmax(1) == 7).mean())
    monkeypatch.setitem(METRICS.own, "sevens", toy)
    evaluate(outputs)
    assert " 7s " in capsys.readouterr().out
    assert all("sevens" in scalars(run) for run in scored(outputs))
    page, _ = write_report(["tiny"], outputs)
    for table in ("table-5", "table-calibration", "table-teachers"):
        assert "Share of 7" in (page.parent / "tables" / f"{table}.md").read_text()
    assert page.read_text().count("Share of 7") >= 3
    assert ",sevens," in (page.parent / "results.csv").read_text()
    assert score_predictions([7, 1], logits=[[0.0] * 7 + [1.0]] * 2).scalars["sevens"] == 1
