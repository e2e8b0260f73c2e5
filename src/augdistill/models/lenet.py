"""LeNet-5 with ReLU and max-pooling (LeCun et al. 1998, as it is commonly used on CIFAR-10)."""

from torch import Tensor, nn

from augdistill.models.pooling import MaxPool2x2
from augdistill.models.shapes import flattened_size


class LeNet(nn.Module):
    """Two 5x5 convolutions, each with a pool, and linear layers of 120, 84 and `classes` units.

    62,006 parameters at 3 x 32 x 32 and 10 classes; the embedding has 84 dimensions.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(shape[0], 6, 5),
            MaxPool2x2(),
            nn.ReLU(),
            nn.Conv2d(6, 16, 5),
            MaxPool2x2(),
            nn.ReLU(),
        )
        flat = flattened_size("lenet", self.features, shape)
        self.hidden = nn.Sequential(nn.Linear(flat, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU())
        self.head = nn.Linear(84, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,84] of images [B,C,H,W]; `key` is not used."""
        embedding = self.hidden(self.features(images).flatten(1))
        return self.head(embedding), embedding
