"""Where training runs and in which precision: `auto` made definite."""

import ctypes
import os
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

from augdistill.base.errors import ConfigError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


@dataclass(frozen=True)
class Device:
    """A device, the precision on it, "fp32" or "bf16" (autocast over fp32 weights), and whether steps are graphs."""

    device: torch.device
    precision: str
    threads: int
    graphs: bool = False

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which a model's forward pass runs."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def memory_format(self) -> torch.memory_format:
        """Return how images and convolutions lie in memory: channels last, where that is fast and sound.

        Not in fp32 on CPU: there PyTorch 2.15 writes outside its memory, and often crashes, in the backward pass of
        convolutions of 4 or 8 channels on 2 threads.
        """
        is_fp32_on_cpu = self.device.type == "cpu" and self.precision == "fp32"
        return torch.contiguous_format if is_fp32_on_cpu else torch.channels_last

    def facts(self) -> dict[str, Any]:
        """Return what a manifest records of it: results are bit-identical only where all of this is equal."""
        is_cuda = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if is_cuda else cpu_name()
        return {"device": self.device.type, "hardware": name, "precision": self.precision, "threads": self.threads}


def resolve(
    device: str, precision: str, threads: int, deterministic: bool = False, cuda_graphs: str = "auto"
) -> Device:
    """Return the device for "auto", "cpu" or "cuda" and set its number of threads.

    Precision "auto" is bf16 where the hardware has it (CUDA, CPUs with AVX512_BF16 or AMX), else fp32. `cuda_graphs`
    "auto" is "false" as long as graphs were never run on a GPU. Raises ConfigError for cuda, or its graphs, where there
    is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("runtime.device=cuda, but PyTorch sees no CUDA device: runtime.device=cpu or auto")
    chosen = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    if cuda_graphs == "true" and chosen.type != "cuda":
        raise ConfigError("runtime.cuda_graphs=true, but this job runs on a CPU: runtime.cuda_graphs=auto or false")
    torch.set_num_threads(threads)
    keep_memory()
    if deterministic:  # read when cuBLAS first multiplies; otherwise its sums may change from run to run
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if deterministic != torch.are_deterministic_algorithms_enabled():  # asking is quick, setting imports a lot
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
    if precision == "auto":
        precision = "bf16" if has_bf16(chosen) else "fp32"
    return Device(chosen, precision, threads, graphs=cuda_graphs == "true")


def keep_memory() -> None:
    """Make glibc keep what a step freed for the next: returning it and faulting it in again took 10 % of a step."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_MMAP_MAX, 0)


def has_bf16(device: torch.device) -> bool:
    """Say whether bf16 matrix products run in this device's hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    return str(torch.cpu.get_capabilities().get("cpu_name", "cpu"))
