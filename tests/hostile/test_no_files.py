"""Pipes, devices, folders, links and files of terabytes where runs have files: neither opened nor read."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from augdistill.base.errors import AugdistillError, RequestError, RunError, WorkError
from augdistill.base.locks import held, holder
from augdistill.base.logs import run_log
from augdistill.cli import catalogue, listing
from augdistill.results.frame import load_plan
from augdistill.store.runs import RunStore
from augdistill.training import checkpoint
from hostile.corpus import bounded_memory, refusal
from hostile.forging import report_of, run_of


@pytest.mark.parametrize("name", ["manifest.json", "metrics.json", "history.csv"])
def test_a_pipe_or_device_in_a_run_is_not_opened(name, outputs) -> None:
    run = run_of(outputs, "student" if name == "history.csv" else "evaluation")
    for replace in (os.mkfifo, lambda path: os.symlink("/dev/zero", path), os.mkdir):
        (run / name).unlink() if (run / name).is_symlink() or not (run / name).is_dir() else (run / name).rmdir()
        replace(run / name)
        with pytest.raises(AugdistillError) as raised:
            report_of(outputs)
        refusal(raised.value)


def no_file(path: Path, what: str) -> None:
    """Put a pipe, a device without end or a folder where a file should be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make = {"pipe": os.mkfifo, "device": lambda path: os.symlink("/dev/zero", path), "folder": os.mkdir}
    make[what](path)


NO_FILES = ("pipe", "device", "folder")


@pytest.mark.parametrize("what", NO_FILES)
def test_a_listing_opens_no_log_and_no_note_that_is_no_file(what, outputs) -> None:
    name = "teacher-digits-resnet18-x-s0-01234567"
    no_file(outputs / "runs" / name / "log", what)
    no_file(outputs / "locks" / "0123456701234567.owner", what)
    with bounded_memory():
        assert f"unfinished  {name}" in catalogue.list_runs(RunStore(outputs), None)


@pytest.mark.parametrize("what", [*NO_FILES, "link"])
def test_a_run_writes_into_no_log_that_is_no_file(what, tmp_path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    if what == "link":
        (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    else:
        no_file(tmp_path / "log", what)
    with pytest.raises(RunError, match="no regular file") as raised, run_log(tmp_path):
        pass
    refusal(raised.value)
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_lock_takes_the_place_of_a_note_that_leads_elsewhere(tmp_path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    for what in ("link", "pipe"):
        owner = tmp_path / "locks" / "a.owner"
        owner.parent.mkdir(exist_ok=True)
        os.symlink(tmp_path / "elsewhere", owner) if what == "link" else os.mkfifo(owner)
        with held(tmp_path / "locks", "a", "a run"):
            assert f"pid {os.getpid()} since" in (holder(tmp_path / "locks", "a") or "")
    assert (tmp_path / "elsewhere").read_text() == "mine"


@pytest.mark.parametrize("what", [*NO_FILES, "terabytes"])
def test_a_checkpoint_that_is_no_file_is_passed_over(what, tmp_path, caplog) -> None:
    model = nn.Linear(3, 3)
    path = tmp_path / checkpoint.FOLDER / "000000003-0123456789abcdef.safetensors"
    if what == "terabytes":
        path.parent.mkdir()
        sparse(path)
    else:
        no_file(path, what)
    with bounded_memory():
        assert checkpoint.load_checkpoint(tmp_path, model, torch.optim.SGD(model.parameters(), lr=0.1)) is None
    assert [str(path) in line for line in caplog.messages] == [True]


def sparse(path: Path) -> None:
    """Make a file of ten terabytes that takes no space."""
    path.touch()
    os.truncate(path, 10 * 2**40)


def test_no_file_of_terabytes_is_read(outputs, capsys) -> None:
    store = RunStore(outputs)
    runs = [run_of(outputs, kind) for kind in ("teacher", "student", "evaluation")]
    names = ["history.csv", "history.csv", "metrics.json"]
    for run, name in zip(runs, names, strict=True):
        sparse(run / name)
    with bounded_memory(), pytest.raises(WorkError, match="3 damaged"):
        listing.verify_runs(store, None)
    assert capsys.readouterr().out.count("is damaged (larger than 17,179,869,184 bytes)") == 3
    with pytest.raises(RunError, match="larger than") as raised:
        store.get(runs[0].name).file("history.csv")
    refusal(raised.value)
    sparse(runs[0] / "manifest.json")
    sparse(outputs / "studies" / "tiny" / "plan.json")
    assert f"  {runs[0].name[-8:]}\n" not in catalogue.list_runs(store, None)
    with bounded_memory(), pytest.raises(RequestError, match="larger than"):
        load_plan(outputs, "tiny")
