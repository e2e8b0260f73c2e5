"""Any of torchvision's classification models by its name, for larger images, without weights: nothing is downloaded.

What they drop at random is an integer function of the step's key here, as in `dropout`, and of no generator.
"""

from typing import Any

import torch
from torch import Tensor, nn

from augdistill.base.checks import one_of
from augdistill.base.errors import ModelError
from augdistill.models.dropout import Dropout, keep_mask

OTHERS = ("googlenet", "inception_v3", "maxvit_t", "squeezenet1_0", "squeezenet1_1")  # see `known`


class TorchvisionModel(nn.Module):
    """The model `arch` as torchvision builds it; the embedding is the input of its last linear layer.

    Raises ConfigError for a name that is not among them, ModelError for images that it cannot take.
    """

    stacks = False

    def __init__(self, shape: tuple[int, int, int], classes: int, *, arch: str = "mobilenet_v3_small") -> None:
        super().__init__()
        one_of("torchvision.arch", arch, known())
        check_shape(arch, shape)
        self.body = built(arch, shape, classes)
        self.drops = keyed(self.body)
        path, self.head = last_linear(self.body)
        self.body.set_submodule(path, nn.Identity())

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding [B,d] of images [B,3,H,W]; `key` names the step for what drops."""
        for drop in self.drops:
            drop.key = key
        embedding: Tensor = self.body(images)
        return self.head(embedding), embedding


class KeyedDropout(nn.Module):
    """Dropout of units, or of whole images, in the place of a layer that is given no key; `key` is set before."""

    def __init__(self, p: float, layer: int, whole: bool) -> None:
        super().__init__()
        self.p, self.layer, self.whole = p, layer, whole
        self.key: int | Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.key is None:
            return x
        if not self.whole:
            # a module's call is Any
            return Dropout(self.p, self.layer)(x.flatten(1), self.key).view_as(x)  # type: ignore[no-any-return]
        kept = keep_mask(self.key, self.layer, len(x), 1, self.p, x.device).to(x.dtype) / (1 - self.p)
        return x * kept.view(-1, *(1,) * (x.ndim - 1))


def known() -> list[str]:
    """Return the names: all classifiers but those with outputs beside the logits, without a last linear layer, ...

    ... or, maxvit_t, of one size of images.
    """
    from torchvision import models

    return [name for name in models.list_models(module=models) if name not in OTHERS]


def built(arch: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a model as torchvision builds it."""
    from torchvision import models

    own: dict[str, Any] = {"image_size": shape[1]} if arch.startswith("vit_") else {}
    model: nn.Module = models.get_model(arch, weights=None, num_classes=classes, **own)
    return model


def check_shape(arch: str, shape: tuple[int, int, int]) -> None:
    """Raise ModelError unless a model takes images of `shape` (C, H, W), which is tried without any values."""
    channels, height, width = shape
    if channels != 3:
        raise ModelError(f"torchvision's models take images of 3 channels, got {channels}: set dataset.channels=3")
    try:
        with torch.device("meta"), torch.no_grad():
            built(arch, shape, 2).eval()(torch.empty(1, *shape))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ModelError(f"{arch} of torchvision cannot take images of {height} x {width}: enlarge them") from error


def keyed(model: nn.Module) -> list[KeyedDropout]:
    """Put layers that take a key in the place of those that draw from the generator, and return them."""
    from torch.nn.modules.dropout import Dropout
    from torchvision.ops import StochasticDepth

    drops: list[KeyedDropout] = []
    for path, layer in list(model.named_modules()):
        if isinstance(layer, Dropout | StochasticDepth):
            whole = isinstance(layer, StochasticDepth)
            drop = KeyedDropout(float(layer.p), len(drops), whole)
            model.set_submodule(path, drop if drop.p > 0 else nn.Identity())
            drops += [drop] if drop.p > 0 else []
    return drops


def last_linear(model: nn.Module) -> tuple[str, nn.Linear]:
    """Return the path of a model's last linear layer, and the layer."""
    path, layer = [(path, layer) for path, layer in model.named_modules() if isinstance(layer, nn.Linear)][-1]
    return path, layer
