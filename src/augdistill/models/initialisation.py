"""The initial weights that the field's zoo gives its models; others keep PyTorch's default."""

from torch import nn


def he_normal(model: nn.Module) -> None:
    """Draw the convolutions' weights anew, normal with variance 2 / fan-out (He et al. 2015), and set biases to 0.

    As RepDistiller and mdistiller have it. Linear layers are left as they are.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def small_head(head: nn.Linear) -> None:
    """Draw the weights of a last layer anew, normal with s.d. 0.01, and set its biases to 0."""
    nn.init.normal_(head.weight, 0, 0.01)
    nn.init.zeros_(head.bias)
