"""A run's model as anybody uses it: images in, logits out, with the preprocessing inside."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from augdistill.base.errors import ModelError, RunError
from augdistill.base.text import removal
from augdistill.stages import folders, making
from augdistill.store.runs import Run, RunStore


class Classifier(nn.Module):
    """A model that takes uint8 or normalised images [B,C,H,W] and returns logits [B,K].

    `class_names` are the K classes in the order of the logits; `image_shape` is (C, H, W). Raises ModelError for
    images of another shape, or of a dtype that is neither uint8 nor floating.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        model: nn.Module,
        image_shape: tuple[int, int, int],
        class_names: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.model, self.image_shape, self.class_names = model, tuple(image_shape), tuple(class_names)
        means, stds = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]
        self.register_buffer("scale", 1 / (255 * stds))
        self.register_buffer("shift", -means / stds)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [B,K] of uint8 images, which are normalised first, or of normalised floating ones."""
        is_traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]  # PyTorch has no types here
        if not (is_traced or torch.compiler.is_exporting()):
            self.check(images)
        if images.dtype == torch.uint8:
            images = torch.addcmul(self.shift, images.to(self.scale.dtype), self.scale)
        logits: Tensor = self.model(images)[0]
        return logits

    def check(self, images: Tensor) -> None:
        """Raise ModelError for what are no images of this model."""
        if images.ndim != 4 or tuple(images.shape[1:]) != self.image_shape:
            wanted = ", ".join(map(str, self.image_shape))
            raise ModelError(f"images of shape {list(images.shape)}: this model takes [B, {wanted}]")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ModelError(f"images of {images.dtype}: give uint8, as in a file, or normalised floats")


def load_model(run: str | Path | Run, outputs: str | Path = "outputs") -> Classifier:
    """Return the model of a finished run, its folder, name or beginning of id, in evaluation mode on the CPU.

    Raises RunError for a run that is not there, holds no model or diverged, or whose weights are not what they were.
    """
    found = run if isinstance(run, Run) else RunStore(Path(outputs)).get(str(run))
    folders.check_has_weights(found)
    says = found.model
    if len(says.shape) != 3:
        raise RunError(f"{found.path.name} does not say which images it takes: {removal(found.path)}")
    channels, height, width = says.shape
    shape, config = (channels, height, width), found.config
    model = folders.load_model(found, lambda: making.build(config, shape, len(says.classes)))
    made = Classifier(model, shape, says.classes, says.statistics.mean, says.statistics.std)
    return made.requires_grad_(False).eval()
