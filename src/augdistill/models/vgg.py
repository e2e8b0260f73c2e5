"""VGG for small images (Simonyan and Zisserman 2015), with batch norm and one linear layer, as distillation has it."""

from torch import Tensor, nn

from augdistill.models.convolution import Convolution
from augdistill.models.initialisation import he_normal, small_head
from augdistill.models.shapes import check_smallest

CHANNELS = (64, 128, 256, 512, 512)
SMALLEST_SIDE = 8  # three pools
LARGE_SIDE = 64  # from which the fourth stage is pooled too


class VGG(nn.Module):
    """Five stages of 3x3 convolutions, so many in each, pooled after the first three; global average pooling.

    The embedding has 512 dimensions.
    """

    def __init__(self, name: str, counts: tuple[int, ...], shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        check_smallest(name, shape, SMALLEST_SIDE)
        pools = 4 if min(shape[1:]) >= LARGE_SIDE else 3
        layers: list[nn.Module] = []
        before = shape[0]
        for stage, (count, wide) in enumerate(zip(counts, CHANNELS, strict=True)):
            for _ in range(count):
                layers += [Convolution(before, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU()]
                before = wide
            if stage < pools:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(before, classes)
        he_normal(self)
        small_head(self.head)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,512] of images [B,C,H,W]; `key` is not used."""
        embedding = self.features(images).mean(dim=(2, 3))
        return self.head(embedding), embedding
