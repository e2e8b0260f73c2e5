"""Models: `logits, embedding = model(images, key)`, the embedding [B,d] being the input of the last linear layer.

`key` names the training step for dropout (an integer, or an int64 tensor of no dimensions); None, in evaluation, drops
nothing. A model's parameters are the keyword arguments of its class; the recipe that trains it, unless another is
chosen, is conf/optim/NAME.yaml. This file imports no torch: the page asks it what models are called.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError
from augdistill.base.lazy import load
from augdistill.plugins import Table

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Model:
    """A model: where its class is, "module:Class", what it is called, what makes it one of several of that class."""

    place: str
    label: str
    arguments: tuple[Any, ...] = ()
    """of the class, before those of all models"""

    @property
    def network(self) -> "Callable[..., nn.Module]":
        """(shape, classes, **params): the class of the model, given its arguments."""
        made: Callable[..., nn.Module] = load(self.place)
        return partial(made, *self.arguments) if self.arguments else made


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
    """Return whether models like this one can be a bank: they have weights alone, no statistics of batches.

    One may say itself that it cannot.
    """
    return bool(getattr(model, "stacks", True)) and not any(True for _ in model.buffers())


def trains_on_one(model: "nn.Module", shape: tuple[int, int, int]) -> bool:
    """Return whether an outline, in training, takes a batch of one image."""
    import torch

    try:
        with torch.device("meta"):
            model.train()(torch.empty(1, *shape), 0)
    except ValueError:  # of batch norm, where a channel has one value
        return False
    return True


RESNET = "augdistill.models.resnet:ResNet"
CIFAR_RESNET = "augdistill.models.cifar_resnet:CifarResNet"
SLIM, WIDE = (16, 16, 32, 64), (32, 64, 128, 256)  # channels of the stem and of three stages
WRN = "augdistill.models.wide_resnet:WideResNet"
VGG = "augdistill.models.vgg:VGG"

MODELS = Table[Model]("models") | {
    "lenet": Model("augdistill.models.lenet:LeNet", "LeNet"),
    "alexnet": Model("augdistill.models.alexnet:AlexNet", "AlexNet"),
    "alexnet-small": Model("augdistill.models.alexnet:SmallAlexNet", "Small AlexNet"),
    "resnet18": Model(RESNET, "ResNet18", ("resnet18", (2, 2, 2, 2), "basic")),
    "resnet34": Model(RESNET, "ResNet34", ("resnet34", (3, 4, 6, 3), "basic")),
    "resnet50": Model(RESNET, "ResNet50", ("resnet50", (3, 4, 6, 3), "bottleneck")),
    "resnet9": Model("augdistill.models.quick_nets:ResNet9", "ResNet9"),
    "airbench": Model("augdistill.models.quick_nets:Airbench", "Airbench"),
    "resnet8": Model(CIFAR_RESNET, "ResNet8", ("resnet8", 1, SLIM)),
    "resnet14": Model(CIFAR_RESNET, "ResNet14", ("resnet14", 2, SLIM)),
    "resnet20": Model(CIFAR_RESNET, "ResNet20", ("resnet20", 3, SLIM)),
    "resnet32": Model(CIFAR_RESNET, "ResNet32", ("resnet32", 5, SLIM)),
    "resnet44": Model(CIFAR_RESNET, "ResNet44", ("resnet44", 7, SLIM)),
    "resnet56": Model(CIFAR_RESNET, "ResNet56", ("resnet56", 9, SLIM)),
    "resnet110": Model(CIFAR_RESNET, "ResNet110", ("resnet110", 18, SLIM)),
    "resnet8x4": Model(CIFAR_RESNET, "ResNet8x4", ("resnet8x4", 1, WIDE)),
    "resnet32x4": Model(CIFAR_RESNET, "ResNet32x4", ("resnet32x4", 5, WIDE)),
    "wrn-16-1": Model(WRN, "WRN-16-1", (16, 1)),
    "wrn-16-2": Model(WRN, "WRN-16-2", (16, 2)),
    "wrn-40-1": Model(WRN, "WRN-40-1", (40, 1)),
    "wrn-40-2": Model(WRN, "WRN-40-2", (40, 2)),
    "vgg8": Model(VGG, "VGG8", ("vgg8", (1, 1, 1, 1, 1))),
    "vgg11": Model(VGG, "VGG11", ("vgg11", (1, 1, 2, 2, 2))),
    "vgg13": Model(VGG, "VGG13", ("vgg13", (2, 2, 2, 2, 2))),
    "vgg16": Model(VGG, "VGG16", ("vgg16", (2, 2, 3, 3, 3))),
    "vgg19": Model(VGG, "VGG19", ("vgg19", (2, 2, 4, 4, 4))),
    "mobilenet-v2": Model("augdistill.models.mobilenet:MobileNetV2", "MobileNetV2"),
    "shufflenet-v1": Model("augdistill.models.shufflenet:ShuffleNetV1", "ShuffleNetV1"),
    "torchvision": Model("augdistill.models.torchvision_models:TorchvisionModel", "torchvision"),
    "shufflenet-v2": Model("augdistill.models.shufflenet:ShuffleNetV2", "ShuffleNetV2"),
}
