"""ResNet18 for small images (He et al. 2016): a 3x3 stem and no max-pool, as it is commonly used on CIFAR-10."""

import torch
from torch import Tensor, nn

from augdistill.base.checks import require
from augdistill.models.convolution import Convolution
from augdistill.models.shapes import check_smallest

STRIDES = (1, 2, 2, 2)
SMALLEST_SIDE = 8  # the strides' product: below it, the last stage would see nothing but padding around one pixel


class ResNet18(nn.Module):
    """Four stages of two basic blocks with `width`, 2, 4 and 8 times `width` channels, global average pooling.

    11,173,962 parameters at 3 channels, 10 classes and the standard width of 64; the embedding has 8 * width
    dimensions.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, *, width: int = 64) -> None:
        super().__init__()
        require(
            type(width) is int and 1 <= width <= 1024,
            "resnet18.width",
            width,
            "a whole number, 1 to 1024 (64 is standard)",
        )
        check_smallest("resnet18", shape, SMALLEST_SIDE)
        blocks, channels = [], width
        for stage, stride in enumerate(STRIDES):
            wide = width * 2**stage
            blocks += [BasicBlock(channels, wide, stride), BasicBlock(wide, wide, 1)]
            channels = wide
        self.stem = nn.Sequential(convolution(shape[0], width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B, 8 * width] of images [B,C,H,W]; `key` is not used."""
        embedding = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return self.head(embedding), embedding


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, which is a 1x1 projection where the shape changes."""

    def __init__(self, channels: int, wide: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, wide, 3, stride),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            convolution(wide, wide, 3),
            nn.BatchNorm2d(wide),
        )
        keeps_shape = stride == 1 and channels == wide
        projection = () if keeps_shape else (convolution(channels, wide, 1, stride), nn.BatchNorm2d(wide))
        self.shortcut = nn.Sequential(*projection)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def convolution(channels: int, wide: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size up to its stride; batch norm follows, so it has no bias."""
    return Convolution(channels, wide, kernel, stride=stride, padding=kernel // 2, bias=False)
