"""The ResNets of 6n + 2 layers for small images (He et al. 2016, section 4.2), some with four times the channels.

Those that are compared in distillation since Tian et al. 2020 (arXiv 1910.10699), with their initial weights.
"""

from torch import Tensor, nn

from augdistill.models.initialisation import he_normal
from augdistill.models.resnet import BasicBlock, convolution
from augdistill.models.shapes import check_smallest

SMALLEST_SIDE = 4  # the strides' product


class CifarResNet(nn.Module):
    """A 3x3 stem and three stages of `blocks` basic blocks each, with these four numbers of channels."""

    def __init__(
        self, name: str, blocks: int, channels: tuple[int, ...], shape: tuple[int, int, int], classes: int
    ) -> None:
        super().__init__()
        check_smallest(name, shape, SMALLEST_SIDE)
        layers, before = [], channels[0]
        for stage, wide in enumerate(channels[1:]):
            for index in range(blocks):
                layers.append(BasicBlock(before, wide, 2 if stage > 0 and index == 0 else 1))
                before = wide
        self.stem = nn.Sequential(convolution(shape[0], channels[0], 3), nn.BatchNorm2d(channels[0]), nn.ReLU())
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(before, classes)
        he_normal(self)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,d] of images [B,C,H,W]; `key` is not used."""
        embedding = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return self.head(embedding), embedding
