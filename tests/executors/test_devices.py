"""A study that asks for CUDA is refused once, before any work, where nothing of the kind can run it."""

from pathlib import Path

import pytest
import torch

from augdistill.base.errors import ConfigError
from augdistill.cli import commands
from augdistill.config.checking import check_group
from augdistill.executors import devices
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


def test_devices_are_called_as_the_environment_calls_them():
    assert devices.names(3, None) == ["0", "1", "2"]
    assert devices.names(2, "2,5") == ["2", "5"]
    assert devices.names(1, "GPU-8932f937, GPU-1") == ["GPU-8932f937"]  # the second is not there
    assert devices.names(0, "") == []


def test_stages_go_to_the_device_with_the_fewest():
    running = {"0": 0, "1": 0, "2": 0}
    taken = []
    while (device := devices.least_busy(running, 2)) is not None:
        running[device] += 1
        taken.append(device)
    assert taken == ["0", "1", "2", "0", "1", "2"]
