"""The 15 corruptions of ImageNet-C and CIFAR-10-C (Hendrycks & Dietterich, 2019) of any images, made here.

The parameters are those of CIFAR-10-C for 32 x 32 pixels; lengths in pixels scale with the side. What is made is not
what was published: textures of frost are no photographs, glass swaps pixels where the authors' code copied them, values
are rounded where theirs were cut off.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from augdistill.base.lazy import load
from augdistill.base.seeds import derive
from augdistill.shift import CORRUPTIONS, SEVERITIES

CHUNK = 1000  # images that are drawn for together: part of what is made, as the seed is

Corrupt = Callable[[Tensor, int, np.random.Generator], Tensor]
"""(float images [N,C,H,W] in 0..1, severity 1..5, chance) -> the same shape, any values"""


def corrupt(images: np.ndarray, name: str, severity: int, seed: int = 0) -> np.ndarray:
    """Return images, uint8 [N,C,H,W], under one corruption; the same for the same arguments.

    Severity is 1 to 5. An image's fate depends on its place among the images, not on who looks at them.
    """
    assert severity in SEVERITIES
    apply: Corrupt = load(f"augdistill.shift.{CORRUPTIONS[name].module}:{name}")
    found = np.empty(images.shape, dtype=np.uint8)
    for chunk, start in enumerate(range(0, len(images), CHUNK)):
        rng = np.random.default_rng(derive(seed, "corruption", name, severity, chunk))
        part = torch.from_numpy(np.array(images[start : start + CHUNK])).to(torch.float32) / 255
        made = apply(part, severity, rng).clamp_(0, 1).mul_(255).round_().to(torch.uint8)
        found[start : start + CHUNK] = made.numpy()
    return found
