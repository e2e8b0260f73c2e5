"""The command `report`: without torch, and which studies it refuses."""

import gc
import shutil
import subprocess
import sys

import pytest

from augdistill.base.errors import ConfigError, RequestError
from augdistill.report.command import decided, report, report_runs, study_names, without_garbage_collection
from claim_tables import CLAIMED, EQUAL, both, judged


@pytest.mark.slow
def test_no_model_and_no_torch_is_loaded(tiny, tmp_path):
    outputs = tmp_path / "outputs"
    shutil.copytree(tiny, outputs)
    for path in outputs.rglob("weights.safetensors"):
        path.unlink()
    code = f"""
import sys
from pathlib import Path
from augdistill.report.command import report
report("tiny", Path({str(outputs)!r}))
assert not {{"torch", "torchvision", "hydra"}} & set(sys.modules), sorted(sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"report: {outputs / 'studies' / 'tiny' / 'report' / 'index.html'}"


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_waits_until_a_page_is_drawn_also_where_that_fails(was_on, monkeypatch):
    monkeypatch.setattr(gc, "isenabled", lambda: was_on)
    calls = []
    for name in ("enable", "disable"):
        monkeypatch.setattr(gc, name, lambda name=name: calls.append(name))
    with pytest.raises(RequestError), without_garbage_collection():
        raise RequestError("no such study")
    assert calls == ["disable", *(["enable"] if was_on else [])]


@pytest.mark.parametrize("study", ["../x", "a/b", "", "..", [], ["a", 3], None])
def test_what_is_no_study_is_refused(study, tmp_path):
    with pytest.raises(ConfigError, match="is not the name of a study"):
        report(study, tmp_path)


def test_runs_make_one_page_of_one_name(tmp_path):
    with pytest.raises(ConfigError, match="runs=student=lenet makes one page: name one, not a and b"):
        report_runs(["a", "b"], ["student=lenet"], tmp_path)
    with pytest.raises(RequestError, match="runs=all: no model is so; augdistill runs lists them"):
        report_runs(["a"], ["all"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_study_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(RequestError, match=r"no study nowhere below .*: start it with augdistill study study=nowhere"):
        report("nowhere", tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "studies" / "torn").mkdir(parents=True)
    (tmp_path / "studies" / "torn" / "plan.json").write_text('{"name":')
    with pytest.raises(RequestError, match=r"plan.json cannot be read .*: augdistill study study=torn writes it again"):
        report("torn", tmp_path)
    assert study_names(["a", "b", "a"]) == ["a", "b"]


def test_claims_that_are_decided_have_a_line_each():

    lines = decided([judged(both(CLAIMED), "2"), judged(both(EQUAL, sd=0.02), "2")])
    assert len(lines) == 1
    assert lines[0].startswith("  2   students of mixed-sample teachers are less accurate: Supported. ")
    assert "(95 % interval" in lines[0]
