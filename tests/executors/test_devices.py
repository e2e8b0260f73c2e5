"""A study that asks for CUDA is refused once, before any work, where nothing of the kind can run it."""

from pathlib import Path

import pytest
import torch

from augdistill.base.errors import ConfigError
from augdistill.cli import commands
from augdistill.executors.devices import refuse_without_cuda
from augdistill.study.plan import make_plan
from composed import composed


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("device=cuda", "study.runtime.device=cuda, but PyTorch sees no CUDA device here: study.runtime.device=auto"),
        ("cuda_graphs=true", "study.runtime.cuda_graphs=true, but PyTorch sees no CUDA device here"),
    ],
)
def test_cuda_is_asked_for_in_vain_once(word: str, wanted: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = composed(tmp_path, "study=tiny", f"study.runtime.{word}")
    with pytest.raises(ConfigError, match=wanted):
        commands.study(config)
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}  # which planning packs
    plan = make_plan(config)
    for name in ("slurm", "ray"):  # whose jobs run elsewhere
        refuse_without_cuda(plan, {"name": name})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    refuse_without_cuda(plan, config["executor"])


def test_graphs_on_a_cpu_are_refused_whoever_would_run_them(tmp_path: Path) -> None:
    config = composed(tmp_path, "study=tiny", "study.runtime.cuda_graphs=true", "study.runtime.device=cpu")
    with pytest.raises(ConfigError, match=r"runtime.cuda_graphs=true is out of range: "):
        make_plan(config)
