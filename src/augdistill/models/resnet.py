"""ResNet18, 34 and 50 for small images (He et al. 2016): a 3x3 stem and no max-pool, as is common on CIFAR-10."""

from typing import Literal

import torch
from torch import Tensor, nn

from augdistill.base.checks import require
from augdistill.models.convolution import Convolution
from augdistill.models.shapes import check_smallest

STRIDES = (1, 2, 2, 2)
SMALLEST_SIDE = 8  # the strides' product: below it, the last stage would see nothing but padding around one pixel


class ResNet(nn.Module):
    """Four stages of so many blocks with `width`, 2, 4 and 8 times `width` channels, global average pooling.

    ResNet18 has 11,173,962 parameters at 3 channels, 10 classes and the standard width of 64; the embedding of basic
    blocks has 8 * width dimensions, that of bottlenecks 32 * width.
    """

    def __init__(
        self,
        name: str,
        counts: tuple[int, ...],
        block: Literal["basic", "bottleneck"],
        shape: tuple[int, int, int],
        classes: int,
        *,
        width: int = 64,
    ) -> None:
        super().__init__()
        require(
            type(width) is int and 1 <= width <= 1024,
            f"{name}.width",
            width,
            "a whole number, 1 to 1024 (64 is standard)",
        )
        check_smallest(name, shape, SMALLEST_SIDE)
        kinds: dict[str, type[BasicBlock | Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}
        kind = kinds[block]
        blocks: list[nn.Module] = []
        channels = width
        for stage, (count, stride) in enumerate(zip(counts, STRIDES, strict=True)):
            wide = width * 2**stage * kind.expansion
            blocks += [
                kind(channels if index == 0 else wide, wide, stride if index == 0 else 1) for index in range(count)
            ]
            channels = wide
        self.stem = nn.Sequential(convolution(shape[0], width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,d] of images [B,C,H,W]; `key` is not used."""
        embedding = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return self.head(embedding), embedding


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, which is a 1x1 projection where the shape changes."""

    expansion = 1

    def __init__(self, channels: int, wide: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, wide, 3, stride),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            convolution(wide, wide, 3),
            nn.BatchNorm2d(wide),
        )
        self.shortcut = projection(channels, wide, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the first two with a quarter of the channels, around a shortcut."""

    expansion = 4

    def __init__(self, channels: int, wide: int, stride: int) -> None:
        super().__init__()
        inner = wide // self.expansion
        self.body = nn.Sequential(
            convolution(channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            convolution(inner, inner, 3, stride),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            convolution(inner, wide, 1),
            nn.BatchNorm2d(wide),
        )
        self.shortcut = projection(channels, wide, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def projection(channels: int, wide: int, stride: int) -> nn.Sequential:
    """Return what stands beside a block: nothing where the shape stays, else a 1x1 convolution with batch norm."""
    if stride == 1 and channels == wide:
        return nn.Sequential()
    return nn.Sequential(convolution(channels, wide, 1, stride), nn.BatchNorm2d(wide))


def convolution(channels: int, wide: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size up to its stride; batch norm follows, so it has no bias."""
    return Convolution(channels, wide, kernel, stride=stride, padding=kernel // 2, bias=False)
