"""Measuring: sides in turn, medians of paired ratios, peak memory, and what the machine itself can do."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from augdistill.stages.folders import versions
from augdistill.training.device import cpu_name

Side = Callable[[], float]  # does a unit of work and returns how much it was, in images


@dataclass
class Result:
    """What one row measured: seconds per image of each side, one value a round; the first side is the yardstick."""

    row: str
    seconds: dict[str, list[float]]
    warm_up: dict[str, float]
    facts: dict[str, Any] = field(default_factory=dict)

    def ratios(self, side: str) -> list[float]:
        """Return how many times faster than the yardstick a side was, in each round."""
        yardstick = next(iter(self.seconds.values()))
        return [theirs / mine for theirs, mine in zip(yardstick, self.seconds[side], strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Return all of it, with medians and spreads."""
        summary = {
            side: {"median": statistics.median(self.ratios(side)), "spread": [min(found), max(found)]}
            for side in self.seconds
            if (found := self.ratios(side))
        }
        return {**asdict(self), "ratios": summary, "machine": machine()}


def in_turn(row: str, sides: dict[str, Side], pairs: int) -> Result:
    """Run every side once to warm up, then `pairs` rounds of A B C ... A B C ..."""
    warm_up = {name: timed(side)[0] for name, side in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(pairs):
        for name, side in sides.items():
            took, images = timed(side)
            seconds[name].append(took / images)
    return Result(row, seconds, warm_up)


def timed(side: Side) -> tuple[float, float]:
    """Return the seconds that a side takes, and the images it says it did."""
    began = time.perf_counter()
    images = side()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began, images


class ByteCounter(TorchDispatchMode):
    """Counts the bytes that operations read and write, views aside: what would pass through memory without caches."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not func.is_view:
            for value in [*args, *(made if isinstance(made, tuple | list) else [made])]:
                values = value if isinstance(value, tuple | list) else [value]
                self.total += sum(item.nbytes for item in values if isinstance(item, torch.Tensor))
        return made


def counted(work: Callable[[], object]) -> dict[str, float]:
    """Return the floating-point operations of matrix products and convolutions in `work`, and the bytes it moves."""
    with FlopCounterMode(display=False) as flops, ByteCounter() as moved:
        work()
    return {"gflop": flops.get_total_flops() / 1e9, "gbyte": moved.total / 1e9}


def peaks(threads: int, side: int = 2048) -> dict[str, float]:
    """Return what this machine reaches: matrix products in GFLOP/s, and a copy's bytes read and written in GB/s."""
    torch.set_num_threads(threads)
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        one, other = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
        best = min(timed(lambda one=one, other=other: float((one @ other).shape[0]))[0] for _ in range(8))
        found[f"{str(dtype).removeprefix('torch.')}_gflops"] = 2 * side**3 / best / 1e9
    source = torch.zeros(2**26, dtype=torch.uint8)
    target = torch.empty_like(source)
    best = min(timed(lambda: float(target.copy_(source).numel()))[0] for _ in range(8))
    found["copy_gbytes"] = 2 * source.numel() / best / 1e9
    return found


def machine() -> dict[str, Any]:
    """Return the hardware, what else ran on it, and versions."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    known = {"cpu": cpu_name(), "cores": os.cpu_count(), "gpu": gpu, "system": platform.platform()}
    return {**known, "load": os.getloadavg()[0], "versions": versions()}
