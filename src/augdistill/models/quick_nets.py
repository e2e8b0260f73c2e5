"""Quick networks for small images: Page's ResNet9 (2019), plain, and airbench (Jordan 2024, arXiv 2404.00498)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augdistill.base.checks import require
from augdistill.base.errors import ModelError
from augdistill.models.resnet import convolution
from augdistill.models.shapes import check_smallest

SMALLEST_SIDE = 9  # one pixel is left after a 2x2 convolution and three pools
VECTOR = 8  # channels come in whole vectors: kernels are quick and sound in channels last
PIXELS = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))  # of 2 x 2: mean, edges, diagonal
COLOURS = {1: ((1,),), 3: ((1, 1, 1), (1, 0, -1), (1, -2, 1))}  # by channels: brightness, red to blue, green
# Standard deviations of CIFAR-10's standardised training images along these, rounded; of a colour's detail, which JPEG
# leaves out of pictures, no less than 0.05.
DEVIATIONS = {
    1: ((1.85, 0.35, 0.35, 0.15),),
    3: ((3.2, 0.6, 0.6, 0.25), (0.9, 0.1, 0.1, 0.05), (0.4, 0.1, 0.1, 0.05)),
}
LOGIT_SCALE = 1 / 9


class ResNet9(nn.Module):
    """A 2x2 stem and three blocks of two 3x3 convolutions with `width`, 4 and 4 times `width` channels.

    Each block pools after its first convolution. There are no shortcuts, which such short nets do without. The
    embedding, maxima over the maps, has 4 * width dimensions. 500,522 parameters at 3 channels,
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


class Airbench(nn.Module):
    """A fixed 2x2 stem that whitens patches, and ResNet9's blocks, whose convolutions begin as identities.

    The stem has 24 channels, 8 for grey images: each patch's brightness, edges and colours, divided by how much they
    vary in natural images, and their negatives; its biases alone are learned. What airbench takes from the data set,
    the whitening, is fixed here, so that weights remain a function of the seed. Each convolution passes its first
    channels on, the rest is PyTorch's default. The embedding, maxima over the maps times 1/9, has 4 * width dimensions.
    497,826 weights are learned at 3 channels, 10 classes and the standard width of 32.
    """

    filters: Tensor

    def __init__(self, shape: tuple[int, int, int], classes: int, *, width: int = 32) -> None:
        super().__init__()
        check_width("airbench", width)
        check_smallest("airbench", shape, SMALLEST_SIDE)
        self.register_buffer("filters", whitening(shape[0]))
        self.bias = nn.Parameter(torch.zeros(len(self.filters)))
        channels = (len(self.filters), width, 4 * width, 4 * width)
        self.blocks = nn.Sequential(*(block(*pair) for pair in pairwise(channels)))
        for layer in self.blocks.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.dirac_(layer.weight[: layer.in_channels])
        self.head = nn.Linear(channels[-1], classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B, 4 * width] of images [B,C,H,W]; `key` is not used."""
        pixels = images.contiguous(memory_format=torch.channels_last)
        patches = F.relu(F.conv2d(pixels, self.filters, self.bias))
        embedding = self.blocks(patches).amax(dim=(2, 3)) * LOGIT_SCALE
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


def whitening(channels: int) -> Tensor:
    """Return filters [8C, C, 2, 2] whose outputs vary alike on natural images; the second half are the negatives.

    Raises ModelError for other images than grey or coloured ones.
    """
    if channels not in COLOURS:
        raise ModelError(f"airbench needs images of 1 or 3 channels, got {channels}: choose another model, as resnet9")
    pixels = torch.tensor(PIXELS, dtype=torch.float32) / 2
    colours = F.normalize(torch.tensor(COLOURS[channels], dtype=torch.float32))
    filters = torch.einsum("kc,ps->kpcs", colours, pixels) / torch.tensor(DEVIATIONS[channels])[:, :, None, None]
    filters = filters.reshape(-1, channels, 2, 2)
    return torch.cat([filters, -filters])
