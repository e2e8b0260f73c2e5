"""What is left of an image after a stack of convolutions, and the refusal of images that are too small for it."""

from itertools import count

import torch
from torch import nn

from augdistill.base.errors import ModelError


def flattened_size(name: str, features: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return how many numbers `features` makes of one image of `shape` (C, H, W).

    Raises ModelError, in the name of the model, when it leaves nothing of such an image.
    """
    size = output_size(features, shape)
    if size == 0:
        smallest = next(side for side in count(1) if output_size(features, (shape[0], side, side)) > 0)
        check_smallest(name, shape, smallest)
    return size


def check_smallest(name: str, shape: tuple[int, int, int], smallest: int) -> None:
    """Raise ModelError if an image of `shape` (C, H, W) is less than `smallest` pixels high or wide."""
    _, height, width = shape
    if min(height, width) < smallest:
        enlarged = 2 ** (smallest - 1).bit_length()
        raise ModelError(
            f"{name} needs images of at least {smallest} x {smallest} pixels, got {height} x {width}: "
            f"enlarge them with dataset.size={enlarged}"
        )


def output_size(features: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return how many numbers `features` makes of one image; 0 when a window of it does not fit."""
    image = torch.zeros(1, *shape)
    try:
        with torch.no_grad():
            output: torch.Tensor = features(image)
    except RuntimeError:
        return 0
    return output.numel()
