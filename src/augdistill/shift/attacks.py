"""Attacks by the gradient of the loss, within a distance of the images: FGSM (Goodfellow et al., 2015) and PGD.

Images are float32 [B,C,H,W] in 0..255; a model's normalisation is a part of what is attacked. Nothing here draws chance
but from the generator that it is given.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from augdistill.shift.draws import normal, uniform

Norm = Literal["linf", "l2"]
LogitsOf = Callable[[Tensor], Tensor]
"""images [B,C,H,W] in 0..255 -> logits [B,K], differentiable"""


def attack(
    logits_of: LogitsOf,
    images: Tensor,
    labels: Tensor,
    *,
    norm: Norm,
    radius: float,
    steps: int,
    step_size: float,
    start: Tensor | None = None,
) -> Tensor:
    """Return images that were moved up their loss by steps of `step_size`, within `radius` and 0..255.

    `start` is a first displacement, None for none. Madry et al. (2018), projected gradient descent; one step without
    a start is FGSM. A radius of 0 gives the images back.
    """
    if radius == 0:
        return images
    moved = images if start is None else projected(images, images + start, norm, radius)
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        loss = functional.cross_entropy(logits_of(moved), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = projected(images, moved.detach() + step_size * direction(gradient, norm), norm, radius)
    return moved.detach()


def direction(gradient: Tensor, norm: Norm) -> Tensor:
    """Return the step of length 1, by a norm, that raises the loss most; none where there is no gradient."""
    if norm == "linf":
        return gradient.sign()
    return gradient / lengths(gradient).clamp(min=1e-12)


def projected(images: Tensor, moved: Tensor, norm: Norm, radius: float) -> Tensor:
    """Return the images nearest to `moved` that are within `radius` of `images`, then within 0..255."""
    change = moved - images
    if norm == "linf":
        return (images + change.clamp(-radius, radius)).clamp(0, 255)
    return (images + change * (radius / lengths(change).clamp(min=radius))).clamp(0, 255)


def lengths(values: Tensor) -> Tensor:
    """Return the Euclidean length of each of a batch [B,...], [B,1,1,1]."""
    found: Tensor = torch.linalg.vector_norm(values, dim=(1, 2, 3), keepdim=True)
    return found


def displacement(shape: torch.Size, norm: Norm, radius: float, rng: np.random.Generator) -> Tensor:
    """Return a displacement for each of a batch [B,C,H,W], drawn from the whole ball of a radius."""
    if norm == "linf":
        return radius * (2 * uniform(rng, shape) - 1)
    towards = normal(rng, shape)
    share = uniform(rng, (shape[0], 1, 1, 1)) ** (1 / shape[1:].numel())
    return radius * share * towards / lengths(towards)


def noise(shape: torch.Size, norm: Norm, radius: float, rng: np.random.Generator) -> Tensor:
    """Return a displacement for each of a batch [B,C,H,W] that is as large as a radius allows, and knows no model."""
    return radius * direction(normal(rng, shape), norm)
