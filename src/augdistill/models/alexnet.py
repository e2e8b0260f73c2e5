"""Two AlexNets for small images (Krizhevsky et al. 2012): the paper's, and the one that is common on CIFAR-10."""

import torch
from torch import Tensor, nn

from augdistill.base.checks import require
from augdistill.models.convolution import Convolution
from augdistill.models.dropout import Dropout
from augdistill.models.shapes import flattened_size


class AlexNet(nn.Module):
    """The paper's AlexNet, as its authors' code has it: larger than its ResNet18 teacher.

    14,859,082 parameters at 3 x 32 x 32 and 10 classes, 11,189,066 at 3 x 28 x 28; the embedding has 2048 dimensions.
    `dropout` is the probability, in [0, 1), with which an input of the two hidden linear layers drops.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, *, dropout: float = 0.6) -> None:
        super().__init__()
        is_number = isinstance(dropout, int | float) and not isinstance(dropout, bool)
        require(is_number and 0 <= dropout < 1, "alexnet.dropout", dropout, "a probability, at least 0 and below 1")
        self.features = nn.Sequential(
            Convolution(shape[0], 64, 3, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(),
            Convolution(64, 192, 3, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(),
            Convolution(192, 384, 3, padding=1),
            nn.ReLU(),
            Convolution(384, 256, 3, padding=1),
            nn.ReLU(),
            Convolution(256, 256, 3, padding=1),
            nn.MaxPool2d(3, stride=2),
            nn.ReLU(),
        )
        flat = flattened_size("alexnet", self.features, shape)
        self.drop1, self.hidden1 = Dropout(dropout, layer=1), nn.Linear(flat, 2048)
        self.drop2, self.hidden2 = Dropout(dropout, layer=2), nn.Linear(2048, 2048)
        self.head = nn.Linear(2048, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,2048] of images [B,C,H,W].

        `key` names the training step and so the units that drop; None, in evaluation, drops none.
        """
        hidden = torch.relu(self.hidden1(self.drop1(self.features(images).flatten(1), key)))
        embedding = torch.relu(self.hidden2(self.drop2(hidden, key)))
        return self.head(embedding), embedding


class SmallAlexNet(nn.Module):
    """The AlexNet that is common on CIFAR-10: an 11x11 stem of stride 4, five convolutions, one linear layer.

    2,472,266 parameters at 3 x 32 x 32 and 10 classes, where the embedding has 256 dimensions, with 64 `channels` after
    the stem; the others are in proportion. The first pool rounds up, which changes nothing at 32 x 32 and lets the
    model take 28 x 28. Raises ConfigError unless `channels` is a whole number from 1 to 1024.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, *, channels: int = 64) -> None:
        super().__init__()
        require(
            type(channels) is int and 1 <= channels <= 1024,
            "alexnet-small.channels",
            channels,
            "a whole number from 1 to 1024",
        )
        self.features = nn.Sequential(
            Convolution(shape[0], channels, 11, stride=4, padding=5),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.ReLU(),
            Convolution(channels, 3 * channels, 5, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(),
            Convolution(3 * channels, 6 * channels, 3, padding=1),
            nn.ReLU(),
            Convolution(6 * channels, 4 * channels, 3, padding=1),
            nn.ReLU(),
            Convolution(4 * channels, 4 * channels, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
        )
        self.head = nn.Linear(flattened_size("alexnet-small", self.features, shape), classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,d] of images [B,C,H,W]; `key` is not used."""
        embedding = self.features(images).flatten(1)
        return self.head(embedding), embedding
