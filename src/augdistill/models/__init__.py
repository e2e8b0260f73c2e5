"""Models: `logits, embedding = model(images, key)`, the embedding [B,d] being the input of the last linear layer.

`key` names the training step for dropout (an integer, or an int64 tensor of no dimensions); None, in evaluation, drops
nothing. A model's parameters are the keyword arguments of its class; the recipe that trains it, unless another is
chosen, is conf/optim/NAME.yaml. This file imports no torch: the page asks it what models are called.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError
from augdistill.base.lazy import load
from augdistill.plugins import Table

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Model:
    """A model: where its class is, "module:Class", and what it is called."""

    place: str
    label: str

    @property
    def network(self) -> "type[nn.Module]":
        """(shape, classes, **params): the class of the model."""
        return load(self.place)  # type: ignore[no-any-return]


def build(name: str, shape: tuple[int, int, int], classes: int, *, seed: int, **params: Any) -> "nn.Module":
    """Return the model `name` for images of `shape` (C, H, W), with PyTorch's default initialisation.

    The weights are a function of `seed` alone, and the global generator is left as it was. Raises ConfigError for an
    unknown model or parameter and for one out of range, ModelError for images that are too small.
    """
    import torch

    network = MODELS.find("model", name).network
    known = [key for key, value in inspect.signature(network).parameters.items() if value.kind == value.KEYWORD_ONLY]
    for key in params:
        if key not in known:
            raise ConfigError(
                f"{name} has no {key}{nearest(key, known)}: it takes {', '.join(known) or 'no parameters'}"
            )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs' generators
        return network(shape, classes, **params)


def outline(name: str, shape: tuple[int, int, int], params: Mapping[str, Any], key: str) -> "nn.Module":
    """Return a model of shapes alone, without weights; raises as `build` does, of parameters `params` below `key`."""
    import torch

    with torch.device("meta"):
        try:
            return build(name, shape, 2, seed=0, **params)
        except ConfigError as error:
            raise ConfigError(str(error).replace(f"{name}.", f"{key}.", 1)) from None


def stacks(model: "nn.Module") -> bool:
    """Return whether models like this one can be a bank: they have weights alone, no statistics of batches."""
    return not any(True for _ in model.buffers())


def trains_on_one(model: "nn.Module", shape: tuple[int, int, int]) -> bool:
    """Return whether an outline, in training, takes a batch of one image."""
    import torch

    try:
        with torch.device("meta"):
            model.train()(torch.empty(1, *shape), 0)
    except ValueError:  # of batch norm, where a channel has one value
        return False
    return True


MODELS = Table[Model]("models") | {
    "lenet": Model("augdistill.models.lenet:LeNet", "LeNet"),
    "alexnet": Model("augdistill.models.alexnet:AlexNet", "AlexNet"),
    "alexnet-small": Model("augdistill.models.alexnet:SmallAlexNet", "Small AlexNet"),
    "resnet18": Model("augdistill.models.resnet:ResNet18", "ResNet18"),
    "resnet9": Model("augdistill.models.resnet9:ResNet9", "ResNet9"),
}
