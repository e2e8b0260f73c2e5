"""What a run's folder holds comes back as it was written, and what a manifest says of how it was made is true."""

import csv
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import core
from augdistill.base.errors import RunError
from augdistill.base.reading import sha256
from augdistill.stages import folders
from augdistill.store.documents import Manifest
from augdistill.store.runs import Run
from augdistill.training.device import resolve
from composed import changed


def run_in(folder: Path) -> Run:
    """Return a run whose manifest says what its files are."""
    return Run(folder, Manifest.model_construct(files={path.name: sha256(path) for path in folder.iterdir()}))


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)


def test_weights_come_back_bit_by_bit_into_the_same_model_alone(tmp_path: Path) -> None:
    model = network(0)
    folders.save_weights(tmp_path, model)
    loaded = folders.load_model(run_in(tmp_path), lambda: network(1))
    assert core.same(loaded.state_dict(), model.state_dict())
    assert not core.same(network(1).state_dict(), model.state_dict())
    with pytest.raises(RunError, match="does not hold the model of its config: augdistill runs remove"):
        folders.load_model(run_in(tmp_path), lambda: nn.Conv2d(3, 4, 3))
    infinite = {name: (value / 0 if value.is_floating_point() else value) for name, value in model.state_dict().items()}
    save_file({name: value.contiguous() for name, value in infinite.items()}, tmp_path / folders.WEIGHTS)
    with pytest.raises(RunError, match="holds NaN or infinite weights"):
        folders.load_weights(run_in(tmp_path), network(1))


def test_a_history_has_a_column_for_whatever_some_epoch_told(tmp_path: Path) -> None:
    rows = [{"epoch": 0, "loss": 0.1 + 0.2}, {"epoch": 1, "loss": 1e-9, "validation_accuracy": 0.5}]
    folders.write_history(tmp_path, rows)
    with (tmp_path / "history.csv").open(newline="") as file:
        read = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    assert read == rows


def test_logits_are_finite_float32_of_their_classes_and_rows(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    folders.save_array(tmp_path / "logits.npy", values)
    for rows in (4, None):
        assert np.array_equal(folders.stored_logits(run_in(tmp_path), "logits.npy", rows, 3), values)
    for wrong in (
        values[:3],
        values[:, :2],
        values.astype(np.float64),
        np.full_like(values, np.inf),
        values[None],
        values[:0],
    ):
        folders.save_array(tmp_path / "logits.npy", wrong)
        with pytest.raises(RunError, match=r"logits\.npy .*: augdistill runs remove"):
            folders.stored_logits(run_in(tmp_path), "logits.npy", 4, 3)


def test_predictions_are_logits_and_labels_of_as_many_images(tmp_path: Path) -> None:
    good = {"logits": np.ones((4, 3), np.float32), "labels": np.arange(4)}
    folders.save_arrays(tmp_path / "p.npz", good)
    found = folders.stored_predictions(run_in(tmp_path), "p.npz")
    assert {name: values.tolist() for name, values in found.items()} == {k: v.tolist() for k, v in good.items()}
    for wrong in ({"labels": np.arange(3)}, {"labels": np.ones(4)}, {"logits": np.ones((4, 3), int)}):
        folders.save_arrays(tmp_path / "p.npz", {**good, **wrong})
        with pytest.raises(RunError, match=r"p\.npz does not hold logits and labels"):
            folders.stored_predictions(run_in(tmp_path), "p.npz")


def test_what_a_reader_must_know_is_noted(tmp_path: Path) -> None:
    config = core.teacher_config(tmp_path, "optim.stop_accuracy=0.5")
    sound, partial = (SimpleNamespace(name="x", verified=not note, note=note) for note in ("", "20 images"))
    reached, missed = [{"validation_accuracy": 0.5}], [{"validation_accuracy": 0.49}]
    assert folders.notes(sound, config, reached) == folders.notes(sound, config) == []
    chosen = changed(config, {"optim.select": "best-test"})
    assert folders.notes(partial, chosen, missed) == [
        "x: the publisher's checksums were not verified",
        "x: 20 images",
        "the weights kept are those of the epoch with the best test accuracy",
        "optim.stop_accuracy=0.5 was not reached in all of its epochs",
    ]


def test_provenance_tells_where_when_and_from_what() -> None:
    made = folders.RunTiming(resolve("cpu", "fp32", 1), "2026-01-01 00:00:00 UTC", 1.23456, ["student-a"])
    found = folders.provenance(made, {"teacher": "teacher-x"}, ["a note"])
    assert (found["began"], found["seconds"], found["parents"]) == (made.began, 1.235, {"teacher": "teacher-x"})
    assert (found["bank"], found["notes"], found["precision"]) == (["student-a"], ["a note"], "fp32")
    assert found["versions"]["torch"] == version("torch")
    assert "bank" not in folders.provenance(made._replace(bank=()), {}, [])


def test_the_commit_is_that_of_the_checkout_and_says_whether_it_was_changed(tmp_path: Path, monkeypatch) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    monkeypatch.setattr(folders, "__file__", str(tmp_path / "folders.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert folders.git_commit() is None
    git("init")
    (tmp_path / "folders.py").write_text("")
    git("add", "folders.py")
    git("commit", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert re.fullmatch(r"[0-9a-f]{12}", folders.git_commit() or "")
    assert head.startswith(folders.git_commit() or "none")
    (tmp_path / "folders.py").write_text("changed")
    assert folders.git_commit() == f"{head[:12]}+"
