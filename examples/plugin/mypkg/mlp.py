"""A perceptron with one hidden layer."""

from torch import Tensor, nn

from augdistill.base.checks import require


class MLP(nn.Module):
    """Pixels, `hidden` units with ReLU, which are the embedding, and a linear layer."""

    def __init__(self, shape: tuple[int, int, int], classes: int, *, hidden: int = 64) -> None:
        super().__init__()
        require(1 <= hidden <= 65536, "mypkg/mlp.hidden", hidden, "1 to 65,536 units")
        channels, height, width = shape
        self.hidden = nn.Linear(channels * height * width, hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,hidden] of images [B,C,H,W]; `key`, for dropout, is not used."""
        embedding = self.hidden(images.flatten(1)).relu()
        return self.head(embedding), embedding
