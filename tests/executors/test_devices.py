"""A study that asks for CUDA is refused once, before any work, where nothing of the kind can run it."""

from pathlib import Path

import pytest
import torch

from augdistill.base.errors import ConfigError
from augdistill.cli import commands
from augdistill.config.checking import check_group
from augdistill.executors.devices import check_cuda
from composed import composed, planned


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
    plan = planned(config)
    for name in ("slurm", "ray"):  # whose jobs run elsewhere
        check_cuda(plan, check_group("executor", {"name": name}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_cuda(plan, check_group("executor", config["executor"]))


def test_graphs_on_a_cpu_are_refused_whoever_would_run_them(tmp_path: Path) -> None:
    config = composed(tmp_path, "study=tiny", "study.runtime.cuda_graphs=true", "study.runtime.device=cpu")
    with pytest.raises(ConfigError, match=r"runtime.cuda_graphs=true is out of range: "):
        planned(config)
