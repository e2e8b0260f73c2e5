"""Chance as float32 tensors, from the generator that is given: numpy's, whose streams stay as they are."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def uniform(rng: np.random.Generator, shape: Sequence[int]) -> Tensor:
    """Return numbers from 0 to 1."""
    return torch.from_numpy(rng.random(tuple(shape), dtype=np.float32))


def normal(rng: np.random.Generator, shape: Sequence[int]) -> Tensor:
    """Return numbers of mean 0 and standard deviation 1."""
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))
