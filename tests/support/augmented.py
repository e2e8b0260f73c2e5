"""Strategies drawn, and applied to small epochs of noise."""

import numpy as np
import torch
from torch import Tensor

from augdistill.augment import AUGMENTATIONS
from augdistill.augment.shared import Samples

BLACK = torch.tensor([-1.9, -1.8, -1.7], dtype=torch.float64)
SIZES = [6, 6, 1]  # the last batch is short
SAMPLED = {"scope": "sample", "prob": 1.0}
SIDE, COUNT = 32, 100_000  # of what is looked at as a distribution
RARE = 1e-4  # p-value below which a test fails; seeds are fixed, so it fails always or never


def epoch_of(count: int, side: int = 12, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return images [N,3,side,side] and targets [N,7]."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, side, side, generator=generator, dtype=torch.float64)
    return images, torch.randn(count, 7, generator=generator, dtype=torch.float64)


def as_pixels(images: Tensor) -> Tensor:
    """Return noise as bytes; bytes stay."""
    return images if images.dtype == torch.uint8 else (images.abs() * 80).clamp(max=255).to(torch.uint8)


def drawn(name: str, sizes=SIZES, side: int = 12, seed: int = 0, **params) -> dict[str, np.ndarray]:
    """Return what a strategy draws for a small epoch."""
    return AUGMENTATIONS[name].draw(np.random.default_rng(seed), sizes, side, **params)


def tensors(draws: dict[str, np.ndarray], start: int = 0, stop: int | None = None) -> dict[str, Tensor]:
    """Return the draws of some samples as `apply` takes them."""
    return {key: torch.from_numpy(values[start:stop]) for key, values in draws.items()}


def prepared(name: str, draws: dict[str, np.ndarray], side: int = 12) -> dict[str, Tensor]:
    """Return an epoch's draws as `apply` takes them."""
    return tensors(AUGMENTATIONS[name].prepare(draws, side))


def applied(name: str, images: Tensor, targets: Tensor, draws, sizes=SIZES, black=BLACK) -> tuple[Tensor, Tensor]:
    """Apply batch by batch and return the whole epoch."""
    draws, ends = AUGMENTATIONS[name].prepare(draws, images.shape[-1]), np.cumsum(sizes)
    parts = [
        moved(name, images[end - size : end], targets[end - size : end], tensors(draws, end - size, end), black)
        for size, end in zip(sizes, ends, strict=True)
    ]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def moved(name: str, images: Tensor, targets: Tensor, draws, black: Tensor = BLACK) -> tuple[Tensor, Tensor]:
    """Apply a strategy to one batch, without a teacher; one that takes bytes alone gets the images as bytes."""
    if AUGMENTATIONS[name].on_bytes:
        images, black = as_pixels(images), torch.zeros_like(black)
    found = AUGMENTATIONS[name].apply(Samples(images, targets, None, black), draws)
    return found.images, found.targets


def many(name: str, sizes=(COUNT,), side: int = SIDE, seed: int = 0, **params) -> dict[str, np.ndarray]:
    """Return what a strategy draws for so many samples that their distribution shows."""
    return AUGMENTATIONS[name].draw(np.random.default_rng(seed), list(sizes), side, **params)


def mean_is(values: np.ndarray, expected: float, sd: float) -> bool:
    """Return whether the mean lies within 4 standard errors."""
    return abs(values.mean() - expected) < 4 * sd / np.sqrt(len(values))
