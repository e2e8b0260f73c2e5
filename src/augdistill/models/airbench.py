"""A network that learns small images in few epochs, after airbench (Jordan 2024, arXiv 2404.00498)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augdistill.base.errors import ModelError
from augdistill.models.resnet9 import SMALLEST_SIDE, block, check_width
from augdistill.models.shapes import check_smallest

PIXELS = ((1, 1, 1, 1), (1, -1, 1, -1), (1, 1, -1, -1), (1, -1, -1, 1))  # of 2 x 2: mean, edges, diagonal
COLOURS = {1: ((1,),), 3: ((1, 1, 1), (1, 0, -1), (1, -2, 1))}  # by channels: brightness, red to blue, green
# Standard deviations of CIFAR-10's standardised training images along these, rounded; of a colour's detail, which JPEG
# leaves out of pictures, no less than 0.05.
DEVIATIONS = {
    1: ((1.85, 0.35, 0.35, 0.15),),
    3: ((3.2, 0.6, 0.6, 0.25), (0.9, 0.1, 0.1, 0.05), (0.4, 0.1, 0.1, 0.05)),
}
LOGIT_SCALE = 1 / 9


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
