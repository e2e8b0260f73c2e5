"""Models: `logits, embedding = model(images, key)`, the embedding [B,d] being the input of the last linear layer.

`key` names the training step for dropout (an integer, or an int64 tensor of no dimensions); None, in evaluation, drops
nothing. A model's parameters are the keyword arguments of its class.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError
from augdistill.models.alexnet import AlexNet, SmallAlexNet
from augdistill.models.lenet import LeNet
from augdistill.models.resnet import ResNet18
from augdistill.plugins import Table


def build(name: str, shape: tuple[int, int, int], classes: int, *, seed: int, **params: Any) -> nn.Module:
    """Return the model `name` for images of `shape` (C, H, W), with PyTorch's default initialisation.

    The weights are a function of `seed` alone, and the global generator is left as it was. Raises ConfigError for an
    unknown model or parameter and for one out of range, ModelError for images that are too small.
    """
    model = MODELS.find("model", name)
    known = [key for key, value in inspect.signature(model).parameters.items() if value.kind == value.KEYWORD_ONLY]
    for key in params:
        if key not in known:
            raise ConfigError(
                f"{name} has no {key}{nearest(key, known)}: it takes {', '.join(known) or 'no parameters'}"
            )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs' generators
        return model(shape, classes, **params)


def outline(name: str, shape: tuple[int, int, int], params: Mapping[str, Any], key: str) -> nn.Module:
    """Return a model of shapes alone, without weights; raises as `build` does, of parameters `params` below `key`."""
    with torch.device("meta"):
        try:
            return build(name, shape, 2, seed=0, **params)
        except ConfigError as error:
            raise ConfigError(str(error).replace(f"{name}.", f"{key}.", 1)) from None


def trains_on_one(model: nn.Module, shape: tuple[int, int, int]) -> bool:
    """Return whether an outline, in training, takes a batch of one image."""
    try:
        with torch.device("meta"):
            model.train()(torch.empty(1, *shape), 0)
    except ValueError:  # of batch norm, where a channel has one value
        return False
    return True


MODELS = Table[type[nn.Module]]("models") | {
    "lenet": LeNet,
    "alexnet": AlexNet,
    "alexnet-small": SmallAlexNet,
    "resnet18": ResNet18,
}
