"""A small, quick network for small images, of the kind of Page's ResNet9 (2019) and of airbench (Jordan 2024)."""

import torch
from torch import Tensor, nn

from augdistill.base.checks import require
from augdistill.models.resnet import convolution
from augdistill.models.shapes import check_smallest

SMALLEST_SIDE = 9  # one pixel is left after a 2x2 convolution and three pools
VECTOR = 8  # channels come in whole vectors: kernels are quick and sound in channels last


class ResNet9(nn.Module):
    """A 2x2 stem and three blocks of two 3x3 convolutions with `width`, 4 and 4 times `width` channels.

    Each block pools after its first convolution. There are no shortcuts, which such short nets do without (see
    docs/recipes.md). The embedding, maxima over the maps, has 4 * width dimensions. 500,522 parameters at 3 channels,
    10 classes and the standard width of 32.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, *, width: int = 32) -> None:
        super().__init__()
        check_width("resnet9", width)
        check_smallest("resnet9", shape, SMALLEST_SIDE)
        self.stem = nn.Sequential(nn.Conv2d(shape[0], width, 2), nn.ReLU())
        self.blocks = nn.Sequential(*(block(*pair) for pair in ((width, width), (width, 4 * width), 2 * (4 * width,))))
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B, 4 * width] of images [B,C,H,W]; `key` is not used.

        Maps lie channels last on every device: a step of width 16 took 1.1 ms an image instead of 1.6 in fp32.
        """
        pixels = images.contiguous(memory_format=torch.channels_last)
        embedding = self.blocks(self.stem(pixels)).amax(dim=(2, 3))
        return self.head(embedding), embedding


def check_width(name: str, width: int) -> None:
    """Raise ConfigError, in the name of the model, for a width that is no multiple of 8."""
    allowed = "a multiple of 8, 8 to 1024 (32 is standard)"
    require(type(width) is int and width in range(VECTOR, 1025, VECTOR), f"{name}.width", width, allowed)


def block(channels: int, wide: int) -> nn.Sequential:
    """Return two 3x3 convolutions, the first of which changes the channels and is pooled."""
    return nn.Sequential(
        convolution(channels, wide, 3),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
        convolution(wide, wide, 3),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
    )
