"""The space that a study needs: as its runs turn out, and refused in one line where the disk has less."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from augdistill import models
from augdistill.base.errors import RequestError
from augdistill.cli import commands
from augdistill.config.checking import check_group
from augdistill.config.jobs import DatasetAt
from augdistill.executors import space
from augdistill.stages import names
from augdistill.store.runs import RunStore
from augdistill.study.plan import make_plan
from composed import composed, study

Usage = namedtuple("Usage", ("total", "used", "free"))


def test_what_runs_leave_behind_is_what_was_estimated(tiny_study: Path, tmp_path: Path) -> None:
    """More than the stages of a finished study wrote, by no more than the allowances for small files."""
    plan = make_plan(study(tiny_study, "study=tiny"))
    store = RunStore(tiny_study)
    assert space.needed_bytes(plan, store, 1) == 0  # nothing is to do
    needed = space.needed_bytes(plan, RunStore(tmp_path), 1) - space.REPORT
    real = sum(path.stat().st_size for path in (tiny_study / "runs").rglob("*") if path.is_file())
    assert real < needed
    weights = [path.stat().st_size for path in tiny_study.glob("runs/*/weights.safetensors")]
    allowed = len(plan.stages) * (space.FILES + space.METRICS) + space.STATES * max(weights)
    assert needed < real + allowed


@pytest.mark.parametrize(("name", "params"), [("lenet", {}), ("resnet18", {"width": 4})])
def test_sizes_are_those_of_the_models(name: str, params: dict, tmp_path: Path) -> None:
    config = study(tmp_path, "study=tiny")
    header = names.dataset_header(DatasetAt(config.study.dataset, config.outputs))
    built = models.build(name, header.shape, 10, seed=0, **params)
    size, width = space.model_size(check_group("student", {"name": name, **params}), header)
    assert size == sum(value.nbytes for value in built.state_dict().values())
    assert width == next(reversed([m for m in built.modules() if hasattr(m, "in_features")])).in_features


def test_more_at_once_need_more(tmp_path: Path) -> None:
    plan = make_plan(study(tmp_path, "study=tiny"))
    one, two = (space.needed_bytes(plan, RunStore(tmp_path), workers) for workers in (1, 2))
    assert one < two
    assert two == space.needed_bytes(plan, RunStore(tmp_path), 2)


def test_a_disk_with_less_is_refused_before_any_work(tmp_path: Path, monkeypatch) -> None:
    config = composed(tmp_path, "study=tiny")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(RequestError, match=r"tiny needs about 0.05 GB below .* and the disk has 0.00 GB: make room"):
        commands.study(config)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "studies").exists()
