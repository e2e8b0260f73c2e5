"""ShuffleNet V1 (Zhang et al. 2018) and V2 (Ma et al. 2018) for small images: a 1x1 stem and no max-pool.

As in RepDistiller, whose V1 lets a block that halves the maps have a quarter of the channels that it adds, not of those
that come out, as the paper has it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augdistill.models.mobilenet import normalised
from augdistill.models.shapes import check_smallest

SMALLEST_SIDE = 8  # the strides' product
STEM = 24  # channels
V1_STAGES = ((240, 4), (480, 8), (960, 4))  # channels, blocks
V1_GROUPS = 3
V2_STAGES = ((116, 4), (232, 8), (464, 4))
V2_LAST = 1024


class ShuffleNetV1(nn.Module):
    """Three stages of units with grouped 1x1 convolutions; global average pooling. The embedding has 960 dimensions."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        check_smallest("shufflenet-v1", shape, SMALLEST_SIDE)
        units, before = [], STEM
        for channels, count in V1_STAGES:
            for _ in range(count):
                units.append(GroupedUnit(before, channels))
                before = channels
        self.stem = nn.Sequential(*normalised(shape[0], STEM, 1), nn.ReLU())
        self.units = nn.Sequential(*units)
        self.head = nn.Linear(before, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,960] of images [B,C,H,W]; `key` is not used."""
        embedding = self.units(self.stem(images)).mean(dim=(2, 3))
        return self.head(embedding), embedding


class GroupedUnit(nn.Module):
    """Grouped 1x1 convolutions around a 3x3 one of each channel, with a shuffle; beside the input.

    A unit that changes the number of channels halves the maps: its channels are added to those of the pooled input.
    """

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.halves = channels != wide
        added = wide - channels if self.halves else wide
        inner, self.groups = added // 4, 1 if channels == STEM else V1_GROUPS
        self.compress = nn.Sequential(*normalised(channels, inner, 1, groups=self.groups), nn.ReLU())
        self.body = nn.Sequential(
            *normalised(inner, inner, 3, stride=2 if self.halves else 1, groups=inner),
            nn.ReLU(),
            *normalised(inner, added, 1, groups=V1_GROUPS),
        )

    def forward(self, x: Tensor) -> Tensor:
        body = self.body(shuffled(self.compress(x), self.groups))
        if self.halves:
            return torch.relu(torch.cat([body, F.avg_pool2d(x, 3, stride=2, padding=1)], dim=1))
        return torch.relu(body + x)


class ShuffleNetV2(nn.Module):
    """Three stages of units that change half of the channels, a 1x1 convolution and global average pooling.

    The embedding has 1024 dimensions.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        check_smallest("shufflenet-v2", shape, SMALLEST_SIDE)
        units: list[nn.Module] = []
        before = STEM
        for channels, count in V2_STAGES:
            units += [HalvingUnit(before, channels), *(SplitUnit(channels) for _ in range(count - 1))]
            before = channels
        self.stem = nn.Sequential(*normalised(shape[0], STEM, 1), nn.ReLU())
        self.units = nn.Sequential(*units)
        self.last = nn.Sequential(*normalised(before, V2_LAST, 1), nn.ReLU())
        self.head = nn.Linear(V2_LAST, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,1024] of images [B,C,H,W]; `key` is not used."""
        embedding = self.last(self.units(self.stem(images))).mean(dim=(2, 3))
        return self.head(embedding), embedding


class SplitUnit(nn.Module):
    """One half of the channels as it is beside the other half, convolved; then a shuffle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = convolved(channels // 2, channels // 2, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=1)
        return shuffled(torch.cat([kept, self.body(changed)], dim=1), 2)


class HalvingUnit(nn.Module):
    """Two branches of half of the new channels each, both of stride 2; then a shuffle."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        depthwise = normalised(channels, channels, 3, stride=2, groups=channels)
        self.left = nn.Sequential(*depthwise, *normalised(channels, wide // 2, 1), nn.ReLU())
        self.right = convolved(channels, wide // 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return shuffled(torch.cat([self.left(x), self.right(x)], dim=1), 2)


def convolved(channels: int, wide: int, stride: int) -> nn.Sequential:
    """Return a 1x1 convolution, a 3x3 one of each channel, and another 1x1 one."""
    return nn.Sequential(
        *normalised(channels, wide, 1),
        nn.ReLU(),
        *normalised(wide, wide, 3, stride, groups=wide),
        *normalised(wide, wide, 1),
        nn.ReLU(),
    )


def shuffled(maps: Tensor, groups: int) -> Tensor:
    """Return maps [B,C,H,W] with the channels of the groups in turn: the first of each, then the second of each.

    They lie channels last in memory, as the weights that follow do: gradients then lie as they do, too.
    """
    batch, channels, height, width = maps.shape
    pixels = maps.permute(0, 2, 3, 1).reshape(batch, height, width, groups, channels // groups)
    return pixels.transpose(3, 4).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
