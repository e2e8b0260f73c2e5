"""Blur of images [N,C,H,W] in 0..1: out of focus, behind glass, in motion, in a zoom."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augdistill.shift.filters import convolved, gaussian, motion, resampling


def defocus_blur(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images through a lens: each point a disc with a soft edge."""
    radius, softness = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[severity - 1]
    return convolved(images, disc(radius * images.shape[-1] / 32, softness))


def disc(radius: float, softness: float) -> Tensor:
    """Return a disc [D,D] that sums to 1, its edge softened by a Gaussian over 3 x 3 pixels."""
    reach = math.ceil(radius) + 1
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    inside = (steps[:, None] ** 2 + steps**2 <= radius**2).float()
    edge = torch.exp(-(torch.arange(-1, 2).float() ** 2) / (2 * softness**2))
    edge = edge / edge.sum()
    soft = functional.conv2d((inside / inside.sum())[None, None], torch.outer(edge, edge)[None, None], padding=1)
    return soft[0, 0]


def glass_blur(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images behind frosted glass: near pixels change places, between two blurs."""
    sigma, reach, times = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))[severity - 1]
    side = images.shape[-1]
    reach, sigma = max(1, round(reach * side / 32)), sigma * side / 32
    source = swapped(len(images), side, reach, times, rng)
    shuffled = gaussian(images, sigma).flatten(2).gather(2, source[:, None].expand(-1, images.shape[1], -1))
    return gaussian(shuffled.view(images.shape), sigma)


def swapped(count: int, side: int, reach: int, times: int, rng: np.random.Generator) -> Tensor:
    """Return where each pixel of each image comes from, int64 [N,H*W], after every pixel changed place with another."""
    source = np.tile(np.arange(side * side), (count, 1))
    images, span = np.arange(count), range(side - reach - 1, reach - 1, -1)
    for _ in range(times):
        moves = rng.integers(-reach, reach + 1, (len(span), len(span), 2, count))
        for i, row in enumerate(span):
            for j, column in enumerate(span):
                here = row * side + column
                there = here + moves[i, j, 0] * side + moves[i, j, 1]
                mine = source[:, here].copy()
                source[:, here] = source[images, there]
                source[images, there] = mine
    return torch.from_numpy(source)


def motion_blur(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return images as a moving camera sees them, each moved at its own angle of -45 to 45 degrees."""
    radius, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[severity - 1]
    angles = torch.from_numpy(rng.integers(-45, 46, len(images)))
    scale = images.shape[-1] / 32
    return motion(images, angles, radius * scale, sigma * scale)


def zoom_blur(images: Tensor, severity: int, rng: np.random.Generator) -> Tensor:
    """Return the mean of images and of their enlargements, up to 1.06 to 1.26 times."""
    steps = (6, 11, 16, 21, 26)[severity - 1]
    total = images.clone()
    for step in range(steps):
        zoom = resampling(images.shape[-1], 1 + step / 100)
        total += zoom @ images @ zoom.T
    return total / (steps + 1)
