"""The yardstick: the loop that research code of this field uses, written well and without tricks.

A torchvision dataset, PIL transforms image by image, a DataLoader, fp32 in NCHW, the teacher run live on every batch,
`.item()` at each step, eager SGD.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10, VisionDataset
from torchvision.transforms import v2

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # images, logits, labels or class probabilities


class Cifar10(CIFAR10):
    """torchvision's CIFAR-10, also from a copy whose checksums are not the publisher's."""

    def _check_integrity(self) -> bool:
        return True

    def _load_meta(self) -> None:
        self.classes = []


class Pictures(VisionDataset):
    """Images uint8 [N,C,H,W] in memory, each made a PIL image and transformed when it is asked for, as CIFAR10 does."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: v2.Transform) -> None:
        super().__init__("", transform=transform)
        self.data, self.targets = images.transpose(0, 2, 3, 1).squeeze(-1 if images.shape[1] == 1 else ()), labels

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), int(self.targets[index])


class Cutout(nn.Module):
    """A square of half the image's side around a random pixel becomes the mean (DeVries and Taylor's own code)."""

    def forward(self, image: Tensor) -> Tensor:
        side = image.shape[-1]
        row, column = (int(np.random.randint(side)) for _ in range(2))  # noqa: NPY002, as that code draws it
        mask = torch.ones(side, side)
        mask[max(0, row - side // 4) : row + side // 4, max(0, column - side // 4) : column + side // 4] = 0
        return image * mask


def transform(name: str, side: int, mean: list[float], std: list[float], dtype: torch.dtype) -> v2.Transform:
    """Return the per-image transform of a strategy; mixing ones work on batches and have none here."""
    pictures: dict[str, list[nn.Module]] = {
        "flip-crop": [v2.RandomCrop(side, padding=side // 8), v2.RandomHorizontalFlip()],
        "random-resized-crop": [v2.RandomResizedCrop(side), v2.RandomHorizontalFlip()],
        "rotation": [v2.RandomRotation(15, v2.InterpolationMode.BILINEAR)],
        "trivial-augment": [v2.TrivialAugmentWide()],
        "rand-augment": [v2.RandAugment()],
        "augmix": [v2.AugMix(all_ops=False, interpolation=v2.InterpolationMode.NEAREST)],
    }
    tensors: dict[str, list[nn.Module]] = {"cutout": [Cutout()], "random-erasing": [v2.RandomErasing()]}
    before, after = pictures.get(name, []), tensors.get(name, [])
    pixels = [v2.PILToTensor(), v2.ToDtype(dtype, scale=True), v2.Normalize(mean, std)]
    return v2.Compose([*before, *pixels, *after])


def fmix(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return a batch mixed as the code of FMix's authors does it: one mask by NumPy, labels by the share."""
    side, lam = images.shape[-1], np.random.beta(1, 1)  # noqa: NPY002, as that code draws it
    frequency = np.sqrt(np.fft.fftfreq(side)[:, None] ** 2 + np.fft.rfftfreq(side)[None] ** 2)
    noise = np.random.randn(2, *frequency.shape)  # noqa: NPY002
    spectrum = (noise[0] + 1j * noise[1]) / np.maximum(frequency, 1 / side) ** 3
    grey = np.fft.irfft2(spectrum, (side, side))
    mask = torch.from_numpy(grey >= np.quantile(grey, 1 - lam)).float()
    index, one_hot = torch.randperm(len(images)), F.one_hot(labels, 10).float()
    return mask * images + (1 - mask) * images[index], lam * one_hot + (1 - lam) * one_hot[index]


def resizemix(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return a batch of which a box is the partner, made smaller by PyTorch's interpolation, as OpenMixup does it."""
    side, index = images.shape[-1], torch.randperm(len(images))
    size = max(1, int(side * np.random.uniform(0.1, 0.8)))  # noqa: NPY002
    top, left = (int(np.random.randint(side - size + 1)) for _ in range(2))  # noqa: NPY002
    mixed, one_hot = images.clone(), F.one_hot(labels, 10).float()
    mixed[:, :, top : top + size, left : left + size] = F.interpolate(images[index], (size, size), mode="nearest")
    lam = 1 - size**2 / side**2
    return mixed, lam * one_hot + (1 - lam) * one_hot[index]


def loader(dataset: VisionDataset, name: str, workers: int, order: Iterable[int], **how: Any) -> DataLoader:
    """Return batches in the order given; mixing strategies in the collation, as torchvision shows it."""
    mixing = {"mixup": v2.MixUp(num_classes=10), "cutmix": v2.CutMix(num_classes=10)}
    mixing |= {"fmix": fmix, "resizemix": resizemix}
    if name in mixing:
        mix = mixing[name]
        how["collate_fn"] = lambda samples: mix(*torch.utils.data.default_collate(samples))
    return DataLoader(dataset, sampler=order, num_workers=workers, persistent_workers=workers > 0, **how)


def optimizer(model: nn.Module, recipe: dict[str, Any]) -> torch.optim.SGD:
    """Return SGD as it is when nothing is said about its implementation."""
    names = ("lr", "momentum", "nesterov", "weight_decay")
    return torch.optim.SGD(model.parameters(), **{name: recipe[name] for name in names})


def label_loss(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy with the labels."""
    return F.cross_entropy(logits, labels)


def distillation_loss(teacher: nn.Module, alpha: float, temperature: float, tuned: bool = False) -> Loss:
    """Return (1 - alpha) CE + alpha T^2 KL with the teacher, which sees each batch as it comes."""

    def loss(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad(), precision(images, tuned):
            taught = teacher(images)[0].to(logits.dtype)
        soft = F.log_softmax(logits / temperature, 1)
        kd = F.kl_div(soft, F.softmax(taught / temperature, 1), reduction="batchmean") * temperature**2
        return (1 - alpha) * F.cross_entropy(logits, labels) + alpha * kd

    return loss


def precision(images: Tensor, tuned: bool) -> Any:
    """Return the context of a forward pass: bf16 autocast where tuned."""
    return torch.autocast(images.device.type, torch.bfloat16) if tuned else nullcontext()


def train(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    sgd: torch.optim.SGD,
    loss: Loss,
    clip_norm: float | None = None,
    *,
    device: str = "cpu",
    tuned: bool = False,
) -> list[float]:
    """Train on the batches and return each one's loss; `tuned` is bf16 and channels last, nothing else."""
    model.train()
    losses = []
    for images, labels in batches:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        if tuned:
            images = images.to(memory_format=torch.channels_last)
        sgd.zero_grad()
        with precision(images, tuned):
            logits, _ = model(images)
        value = loss(images, logits.float() if tuned else logits, labels)
        value.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        sgd.step()
        losses.append(value.item())
    return losses


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: str = "cpu") -> dict[str, float]:
    """Return accuracy, NLL and ECE, the usual three, over a test set; fp32."""
    model.eval()
    logits, labels = [], []
    for images, answers in batches:
        logits.append(model(images.to(device, non_blocking=True))[0].cpu())
        labels.append(answers)
    probabilities, truth = torch.cat(logits).softmax(1), torch.cat(labels)
    confidence, predicted = probabilities.max(1)
    right = (predicted == truth).float()
    bins = (confidence * 10).ceil().long().clamp(1, 10) - 1
    gaps = torch.zeros(10).index_add_(0, bins, confidence - right)
    nll = F.nll_loss(probabilities.log(), truth)
    return {"accuracy": right.mean().item(), "nll": nll.item(), "ece": (gaps.abs().sum() / len(truth)).item()}
