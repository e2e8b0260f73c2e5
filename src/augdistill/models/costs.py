"""What a network costs to run: multiply-accumulates, latency and throughput."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
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


@dataclass(frozen=True)
class Speed:
    """Latency in milliseconds of a single image, images per second of a batch."""

    latency_p50: float
    latency_p99: float
    images_per_second: float


def speed_of(predict: Callable[[T], object], image: T, images: T, seconds: float) -> Speed:
    """Return how quick a network is with one image and with BATCH of them, each measured for so many seconds."""
    single, batch = (seconds_of(predict, some, seconds) for some in (image, images))
    p50, p99 = 1000 * np.quantile(single, (0.5, 0.99))
    return Speed(float(p50), float(p99), BATCH / float(np.median(batch)))


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
