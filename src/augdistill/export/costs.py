"""What a model costs to run: parameters, multiply-accumulates, bytes, latency and throughput."""

from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from torch import nn

from augdistill.base.cores import usable_cores
from augdistill.export.formats import Predict
from augdistill.models.costs import BATCH, multiply_accumulates, speed_of

SECONDS = 2.0  # of each measurement


@dataclass(frozen=True)
class Costs:
    """Of one model on so many threads: latency in milliseconds at batch 1, images per second at batch 128."""

    model: str
    parameters: int
    macs: int
    bytes: int
    threads: int
    latency_p50: float
    latency_p99: float
    images_per_second: float


def measured(
    name: str, model: nn.Module, path: Path, image: torch.Tensor, opened: Callable[[int], Predict]
) -> list[Costs]:
    """Return what a written model costs, on one thread and on all of this machine."""
    parameters = sum(value.numel() for value in model.parameters())
    known = (name, parameters, multiply_accumulates(model, image), path.stat().st_size)
    found = []
    before, images = torch.get_num_threads(), image.expand(BATCH, *image.shape[1:]).contiguous().numpy()
    for threads in dict.fromkeys((1, usable_cores())):
        found.append(Costs(*known, threads, *astuple(speed_of(opened(threads), image.numpy(), images, SECONDS))))
    torch.set_num_threads(before)
    return found
