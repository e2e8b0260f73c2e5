"""Logits at random, and their softmax by hand."""

import math

import torch
from torch import Tensor


def random_logits(*shape: int, seed: int = 0, scale: float = 3.0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return normal logits of an s.d. of `scale`, drawn in float64."""
    return (scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(dtype)


def log_softmax_by_hand(row: list[float], temperature: float) -> list[float]:
    """Return the log-probabilities of one sample at a temperature."""
    scaled = [value / temperature for value in row]
    total = math.log(math.fsum(math.exp(value - max(scaled)) for value in scaled)) + max(scaled)
    return [value - total for value in scaled]
