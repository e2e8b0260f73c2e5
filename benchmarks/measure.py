"""Measuring: sides in turn, medians of paired ratios, and what the machine itself can do."""

import os
import platform
import statistics
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from augdistill.stages.folders import versions
from augdistill.training.device import cpu_name

EAGER, GRAPHS = ", eager", ", CUDA graphs"  # how the names of the two ways end in which a side runs on a GPU


class Timed(NamedTuple):
    """A unit of work whose beginning stands apart: images and seconds after it, and the images of the beginning."""

    images: float
    seconds: float
    apart: float


Side = Callable[[], float | Timed]  # does a unit of work and returns how much it was, in images
Sides = Mapping[str, Callable[[], Side]]  # what makes each side ready, the yardstick's first


class RowError(Exception):
    """A row cannot be measured here."""


@dataclass
class Result:
    """What one row measured: seconds per image of each side, one value a round, and why others were not measured."""

    row: str
    yardstick: str
    seconds: dict[str, list[float]]
    warm_up: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def ways(self, name: str) -> list[str]:
        """Return the ways in which a side ran; raises RowError if it did in none."""
        if found := [side for side in (name, name + EAGER, name + GRAPHS) if side in self.seconds]:
            return found
        raise RowError(f"{self.row}: {name} cannot be measured: {self.failed}")

    def best(self, name: str) -> str:
        """Return the quickest of the ways in which a side ran."""
        return min(self.ways(name), key=lambda side: statistics.median(self.seconds[side]))

    def ratios(self, side: str) -> list[float]:
        """Return how many times faster than the yardstick, the better way of it, a side was in each round."""
        yardstick = self.seconds[self.best(self.yardstick)]
        return [theirs / mine for theirs, mine in zip(yardstick, self.seconds[side], strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Return all of it, with medians and spreads."""
        summary = {
            side: {"median": statistics.median(self.ratios(side)), "spread": [min(found), max(found)]}
            for side in self.seconds
            if (found := self.ratios(side))
        }
        return {**asdict(self), "ratios": summary, "machine": machine()}


def in_turn(row: str, sides: Sides, pairs: int) -> tuple[Result, dict[str, Side]]:
    """Make every side ready and run it once, then `pairs` rounds of A B C ... A B C ...; return the sides, too.

    A side that fails, as one whose step cannot be recorded does, is told and left out.
    """
    yardstick = next(iter(sides)).removesuffix(EAGER).removesuffix(GRAPHS)
    ready: dict[str, Side] = {}
    result = Result(row, yardstick, {}, {})
    for name, make in sides.items():
        began = time.perf_counter()
        try:
            side = make()
            made = time.perf_counter() - began
            side(), synchronize()
        except Exception as error:
            traceback.print_exc()
            result.failed[name] = f"{type(error).__name__}: {error}"
            continue
        ready[name], result.seconds[name] = side, []
        result.warm_up[name] = time.perf_counter() - began - made
    result.ways(yardstick)
    for _ in range(pairs):
        for name, side in ready.items():
            took, images = timed(side)
            result.seconds[name].append(took / images)
    return result, ready


def synchronize() -> None:
    """Wait until a GPU, if there is one, has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(side: Side) -> tuple[float, float]:
    """Return the seconds that a side takes, and the images it says it did; of both without what it says is apart."""
    synchronize()
    began = time.perf_counter()
    done = side()
    synchronize()
    return (done.seconds, done.images) if isinstance(done, Timed) else (time.perf_counter() - began, done)


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


def pluralise(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return the floating-point operations of products and convolutions in `work`, the bytes it moves, its result."""
    with FlopCounterMode(display=False) as flops, ByteCounter() as moved:
        done = work()
    return {"gflop": flops.get_total_flops() / 1e9, "gbyte": moved.total / 1e9}, done


def peaks(device: str, threads: int, side: int) -> dict[str, float]:
    """Return what this machine reaches on products of `side`, in GFLOP/s, and in a copy, read and written, in GB/s.

    On a GPU in TF32 too, in which PyTorch runs convolutions of fp32 by default.
    """
    torch.set_num_threads(threads)
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        found[f"{str(dtype).removeprefix('torch.')}_gflops"] = product_rate(device, dtype, side)
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
        found["tf32_gflops"] = product_rate(device, torch.float32, side)
        torch.set_float32_matmul_precision("highest")
    source = torch.zeros(2**30 if device == "cuda" else 2**26, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = min(timed(lambda: float(target.copy_(source).numel()))[0] for _ in range(8))
    found["copy_gbytes"] = 2 * source.numel() / best / 1e9
    return found


def product_rate(device: str, dtype: torch.dtype, side: int) -> float:
    """Return the GFLOP/s of the quickest of eight products of two square matrices."""
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = min(timed(lambda: float((one @ other).shape[0]))[0] for _ in range(8))
    return 2 * side**3 / best / 1e9


def machine() -> dict[str, Any]:
    """Return the hardware, what else ran on it, and versions."""
    known = {"cpu": cpu_name(), "cores": os.cpu_count(), "gpu": gpu(), "system": platform.platform()}
    return {**known, "load": os.getloadavg()[0], "versions": versions()}


def gpu() -> dict[str, Any] | None:
    """Return the GPU's name, memory and units, and the versions of its libraries; None without one."""
    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    return {
        "name": found.name,
        "memory_gb": round(found.total_memory / 1e9, 1),
        "multiprocessors": found.multi_processor_count,
        "capability": f"{found.major}.{found.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
