"""Models in float64, and images for them."""

import torch
from torch import Tensor, nn

from augdistill.models import build


def in_double(name: str, shape: tuple[int, int, int], **params) -> nn.Module:
    """Return a model of ten classes for evaluation."""
    return build(name, shape, 10, seed=3, **params).double().eval()


def images(*shape: int) -> Tensor:
    """Return noise."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
