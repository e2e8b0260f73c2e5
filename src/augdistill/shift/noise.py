"""Noise on images [N,C,H,W] in 0..1, every value on its own."""

import numpy as np
import torch
from torch import Tensor

from augdistill.shift.draws import normal, uniform


def gaussian_noise(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images with Gaussian noise: low light."""
    scale = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    return images + scale * normal(rng, images.shape)


def shot_noise(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images counted by so many photons at full brightness: Poisson noise."""
    photons = (500, 250, 100, 75, 50)[severity - 1]
    return torch.from_numpy(rng.poisson(images.numpy() * photons).astype(np.float32)) / photons


def impulse_noise(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images in which a share of all values is 0 or 1, salt and pepper alike."""
    share = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    chance = uniform(rng, images.shape)
    return images.masked_fill(chance < share, 0.0).masked_fill_(chance < share / 2, 1.0)
