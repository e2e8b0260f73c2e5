"""MobileNetV2 for small images (Sandler et al. 2018), half as wide: the field's "MobileNetV2", with ReLU for ReLU6."""

from torch import Tensor, nn

from augdistill.models.convolution import Convolution
from augdistill.models.initialisation import he_normal, small_head
from augdistill.models.shapes import check_smallest

EXPANSION = 6
WIDTH = 0.5
LAST = 1280
STAGES = (  # expansion, channels before WIDTH, blocks, stride of the first
    (1, 16, 1, 1),
    (EXPANSION, 24, 2, 1),
    (EXPANSION, 32, 3, 2),
    (EXPANSION, 64, 4, 2),
    (EXPANSION, 96, 3, 1),
    (EXPANSION, 160, 3, 2),
    (EXPANSION, 320, 1, 1),
)
SMALLEST_SIDE = 16  # the strides' product


class MobileNetV2(nn.Module):
    """A 3x3 stem of stride 2, seventeen inverted residual blocks, a 1x1 convolution and global average pooling.

    The embedding has 1280 dimensions.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        check_smallest("mobilenet-v2", shape, SMALLEST_SIDE)
        before = int(32 * WIDTH)
        self.stem = nn.Sequential(*normalised(shape[0], before, 3, stride=2), nn.ReLU())
        blocks = []
        for expansion, channels, count, stride in STAGES:
            for index in range(count):
                wide = int(channels * WIDTH)
                blocks.append(InvertedResidual(before, wide, stride if index == 0 else 1, expansion))
                before = wide
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(*normalised(before, LAST, 1), nn.ReLU())
        self.head = nn.Linear(LAST, classes)
        he_normal(self)
        small_head(self.head)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,1280] of images [B,C,H,W]; `key` is not used."""
        embedding = self.last(self.blocks(self.stem(images))).mean(dim=(2, 3))
        return self.head(embedding), embedding


class InvertedResidual(nn.Module):
    """A 1x1 convolution to `expansion` times the channels, a 3x3 one of each channel, and a linear 1x1 one.

    Beside the input, where its shape stays. There is a first convolution where it expands nothing, too.
    """

    def __init__(self, channels: int, wide: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.body = nn.Sequential(
            *normalised(channels, inner, 1),
            nn.ReLU(),
            *normalised(inner, inner, 3, stride, groups=inner),
            nn.ReLU(),
            *normalised(inner, wide, 1),
        )
        self.keeps_shape = stride == 1 and channels == wide

    def forward(self, x: Tensor) -> Tensor:
        body: Tensor = self.body(x)
        return x + body if self.keeps_shape else body


def normalised(
    channels: int, wide: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution that keeps the size up to its stride, and the batch norm that follows it."""
    layer = Convolution(channels, wide, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return layer, nn.BatchNorm2d(wide)
