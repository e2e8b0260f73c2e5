"""Where training runs: `auto` made definite, and precision that is what it says."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from augdistill.base.errors import ConfigError
from augdistill.training.device import Device, cpu_name, has_bf16, resolve

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_asked_for_is_what_is_used(precision: str) -> None:
    found = resolve("cpu", precision, 3)
    assert found == Device(CPU, precision, 3)
    assert torch.get_num_threads() == 3
    assert found.facts() == {"device": "cpu", "hardware": cpu_name(), "precision": precision, "threads": 3}
    assert not torch.are_deterministic_algorithms_enabled()


def test_determinism_is_that_of_the_job_and_not_of_the_one_before() -> None:
    for asked in (True, False):
        resolve("cpu", "fp32", 1, deterministic=asked)
        assert torch.are_deterministic_algorithms_enabled() == asked


@pytest.mark.parametrize(("before", "after"), [(None, ":4096:8"), (":16:8", ":16:8")])
def test_determinism_asks_cublas_too_unless_the_user_did(before, after, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    resolve("cpu", "fp32", 1)
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    if before is not None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before)
    resolve("cpu", "fp32", 1, deterministic=True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == after


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({}, "fp32"),
        ({"avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bf16"),
    ],
)
def test_auto_is_bf16_where_the_processor_has_it(capabilities, precision: str, monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert resolve("cpu", "auto", 1).precision == precision
    assert has_bf16(CPU) == (precision == "bf16")
    assert resolve("cpu", "fp32", 1).precision == "fp32"
    assert cpu_name() == "cpu"


def test_a_device_that_is_not_there_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"PyTorch sees no CUDA device: runtime.device=cpu or auto"):
        resolve("cuda", "auto", 1)
    assert resolve("auto", "fp32", 1).device == CPU


def test_graphs_are_made_where_asked_for_and_refused_where_there_is_no_gpu(monkeypatch) -> None:
    for available in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert [resolve("auto", "fp32", 1, cuda_graphs=asked).graphs for asked in ("auto", "false")] == [False, False]
        with pytest.raises(
            ConfigError, match=r"runtime.cuda_graphs=true, but .* a CPU: runtime.cuda_graphs=auto or false"
        ):
            resolve("cpu" if available else "auto", "fp32", 1, cuda_graphs="true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve("auto", "fp32", 1, cuda_graphs="true").graphs


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    found = resolve("auto", "auto", 1)
    assert found == Device(torch.device("cuda"), "fp32", 1)
    assert found.facts()["hardware"] == "a GPU"
    assert resolve("cpu", "fp32", 1).device == CPU


def test_autocast_computes_products_in_bf16_and_fp32_leaves_them() -> None:
    layer, x = nn.Linear(64, 8).requires_grad_(False), torch.linspace(-1, 1, 64)[None]
    exact = layer.double()(x.double())
    layer.float()
    seen = {}
    for precision in ("fp32", "bf16"):
        with resolve("cpu", precision, 1).autocast():
            seen[precision] = layer(x)
    assert seen["fp32"].dtype == torch.float32
    assert seen["bf16"].dtype == torch.bfloat16
    errors = SimpleNamespace(**{name: float((value.double() - exact).abs().max()) for name, value in seen.items()})
    assert errors.fp32 < 1e-6 < errors.bf16 < 0.05
    assert layer.weight.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone is told to keep memory")
def test_memory_that_a_step_freed_is_there_for_the_next() -> None:
    """In a process of its own: where others have cut up the heap, glibc maps what is large all the same."""
    ran = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    most, after = map(int, ran.stdout.split())
    assert after > most - 2**27  # of its 256 MB not even half went back


FREED = """
import resource
from pathlib import Path
import torch
from augdistill.training.device import resolve

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

resolve("cpu", "fp32", 1)
used = torch.ones(2**26)
most = resident()
del used
print(most, resident())
"""
