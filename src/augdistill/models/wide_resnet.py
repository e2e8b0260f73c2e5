"""Wide residual networks for small images (Zagoruyko and Komodakis 2016, arXiv 1605.07146), without dropout."""

import torch
from torch import Tensor, nn

from augdistill.models.initialisation import he_normal
from augdistill.models.resnet import convolution
from augdistill.models.shapes import check_smallest

STEM = 16  # channels; the stages have once, twice and four times `widen` times as many
SMALLEST_SIDE = 4  # the strides' product


class WideResNet(nn.Module):
    """Three stages of (depth - 4) / 6 blocks that normalise first, `widen` times as wide; global average pooling.

    The embedding has 64 * widen dimensions.
    """

    def __init__(self, depth: int, widen: int, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        check_smallest(f"wrn-{depth}-{widen}", shape, SMALLEST_SIDE)
        blocks, before = [], STEM
        for stage in range(3):
            wide = STEM * widen * 2**stage
            for index in range((depth - 4) // 6):
                blocks.append(PreactivationBlock(before, wide, 2 if stage > 0 and index == 0 else 1))
                before = wide
        self.stem = convolution(shape[0], STEM, 3)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(before)
        self.head = nn.Linear(before, classes)
        he_normal(self)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B, 64 * widen] of images [B,C,H,W]; `key` is not used."""
        embedding = torch.relu(self.norm(self.blocks(self.stem(images)))).mean(dim=(2, 3))
        return self.head(embedding), embedding


class PreactivationBlock(nn.Module):
    """Norm, ReLU and 3x3 convolution, twice, beside the input; where its shape changes, beside a 1x1 projection.

    The projection is of the normalised input.
    """

    def __init__(self, channels: int, wide: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), convolution(channels, wide, 3, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(wide), convolution(wide, wide, 3)
        self.shortcut = convolution(channels, wide, 1, stride) if channels != wide else None

    def forward(self, x: Tensor) -> Tensor:
        active = torch.relu(self.norm1(x))
        body: Tensor = self.conv2(torch.relu(self.norm2(self.conv1(active))))
        return body + (x if self.shortcut is None else self.shortcut(active))
