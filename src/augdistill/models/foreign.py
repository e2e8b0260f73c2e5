"""Models that were trained elsewhere: torchvision's and timm's architectures, and ours, with their own preprocessing.

They take images as ours do, normalised by the statistics of the data, and bring them to what they were trained on.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augdistill import models
from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError, ModelError

LIBRARIES = ("torchvision", "timm")
COLOURS = 3  # what they take; grey images are given to all three


class Foreign(nn.Module):
    """A model from elsewhere behind its own normalisation, and, with `size`, its own side in pixels."""

    scale: Tensor
    shift: Tensor

    def __init__(self, core: nn.Module, channels: int, size: int | None) -> None:
        super().__init__()
        self.core, self.channels, self.size = core, channels, size
        self.register_buffer("scale", torch.ones(channels, 1, 1))
        self.register_buffer("shift", torch.zeros(channels, 1, 1))

    def normalise_by(
        self, own: tuple[Sequence[float], Sequence[float]], given: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        """Set what turns images normalised by the `given` mean and std into those normalised by its `own`."""
        (mean, std), (seen_mean, seen_std) = (
            [torch.tensor(values, dtype=torch.float64).expand(self.channels) for values in pair]
            for pair in (own, given)
        )
        self.scale.copy_((seen_std / std)[:, None, None])
        self.shift.copy_(((seen_mean - mean) / std)[:, None, None])

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding of images [B,C,H,W], normalised as those of the data are."""
        if images.shape[1] != self.channels:
            images = images.expand(-1, self.channels, -1, -1)
        images = torch.addcmul(self.shift.to(images.dtype), images, self.scale.to(images.dtype))
        if self.size is not None:
            sides = (self.size, self.size)
            smaller = self.size < images.shape[-1]
            images = F.interpolate(images, sides, mode="bilinear", align_corners=False, antialias=smaller)
        logits, embedding = self.core(images)
        return logits, embedding


class Split(nn.Module):
    """A network of one output, cut before its last linear layer, whose input is the embedding."""

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        linear = [name for name, part in net.named_modules() if isinstance(part, nn.Linear)]
        self.head: nn.Module = nn.Identity()
        if linear and net.get_submodule(linear[-1]).out_features == classes:
            parent, _, name = linear[-1].rpartition(".")
            self.head = net.get_submodule(linear[-1])
            setattr(net.get_submodule(parent), name, nn.Identity())
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [B,K] and the embedding: the logits again where no linear layer is the last."""
        embedding = self.net(images).flatten(1)
        return self.head(embedding), embedding


def core_of(architecture: str, shape: tuple[int, int, int], classes: int, parameters: Mapping[str, Any]) -> nn.Module:
    """Return the untrained network that an architecture names: "torchvision/NAME", "timm/NAME", or one of ours.

    Raises ConfigError for one that is not known, or that would download; ModelError for images that are too small.
    """
    library, _, name = architecture.partition("/")
    if library not in LIBRARIES:
        return models.build(architecture, shape, classes, seed=0, **parameters)
    known = known_names(library)
    if name not in known:
        many = f"{len(known)} that {library} lists" if known else "none"
        raise ConfigError(
            f"architecture={architecture} is unknown{nearest(name, known)}: one of {many}; nothing is downloaded"
        )
    with torch.random.fork_rng(devices=[]):
        try:
            return created(library, name, classes, parameters)
        except (TypeError, ValueError, AssertionError) as error:
            told = " ".join(str(error).split())[:100]
            raise ConfigError(f"architecture={architecture} cannot be built so ({told}): see parameters=") from None


def known_names(library: str) -> list[str]:
    """Return the names of a library's classifiers; RequestError, with the command that installs it, without it."""
    if find_spec(library) is None:
        raise ConfigError(f"architecture={library}/... needs {library}: pip install 'augdistill[hub]'")
    if library == "timm":
        import timm

        return list(timm.list_models())
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def created(library: str, name: str, classes: int, parameters: Mapping[str, Any]) -> nn.Module:
    """Return a library's network with random weights."""
    if library == "timm":
        import timm

        made: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes, **parameters)
        return made
    import torchvision

    own = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    found: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, **own, **parameters)
    return found


def foreign(architecture: str, core: nn.Module, shape: tuple[int, int, int], classes: int, size: int | None) -> Foreign:
    """Return a network as a teacher is: behind its preprocessing, with an embedding, in evaluation mode."""
    is_ours = architecture.partition("/")[0] not in LIBRARIES
    return Foreign(core if is_ours else Split(core, classes), shape[0] if is_ours else COLOURS, size).eval()


def build(
    architecture: str, shape: tuple[int, int, int], classes: int, *, parameters: Mapping[str, Any], size: int | None
) -> Foreign:
    """Return a model as it is saved, for its weights to be loaded; raises as `core_of` does."""
    seen = shape if size is None else (shape[0], size, size)
    return foreign(architecture, core_of(architecture, seen, classes, parameters), shape, classes, size)


def try_out(model: Foreign, shape: tuple[int, int, int], classes: int) -> None:
    """Raise ModelError unless a model takes images of `shape` and gives `classes` logits, finite ones."""
    try:
        with torch.no_grad():
            logits, _ = model(torch.zeros(2, *shape))
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        told = " ".join(str(error).split())[:100]
        raise ModelError(f"it takes no images of {shape[1]} x {shape[2]} ({told}): size=224 enlarges them") from None
    if logits.shape != (2, classes) or not logits.isfinite().all():
        raise ModelError(f"it gives logits of shape {list(logits.shape)} for 2 images: [2, {classes}] is needed")
