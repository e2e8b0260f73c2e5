"""What a network costs to run: multiply-accumulates, and the seconds that it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")

MOST_TIMES, WARM = 1000, 5  # repetitions of a measurement, at most, and before it
BATCH = 128  # images, by which throughput is measured


def multiply_accumulates(model: nn.Module, image: torch.Tensor) -> int:
    """Return how often a model multiplies and adds for one image [1,C,H,W], in convolutions and linear layers."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return int(counter.get_total_flops()) // 2


def seconds_of(predict: Callable[[T], object], images: T, seconds: float) -> list[float]:
    """Return the seconds of each of the repetitions that so many `seconds` have room for, five at least."""
    for _ in range(WARM):
        predict(images)
    found: list[float] = []
    began = time.monotonic()
    while len(found) < MOST_TIMES and (time.monotonic() - began < seconds or len(found) < WARM):
        start = time.perf_counter()
        predict(images)
        found.append(time.perf_counter() - start)
    return found
