"""What all stages share: data on the device, predictions."""

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from augdistill.augment.normaliser import Normaliser
from augdistill.augment.shared import as_images, gather_images
from augdistill.base.cores import usable_cores
from augdistill.base.errors import ConfigError, DataError
from augdistill.base.text import pluralise
from augdistill.config.groups import Runtime
from augdistill.config.jobs import HasDataset
from augdistill.data import Header, ImageSet, channel_statistics, load, split_validation
from augdistill.losses.shared import soft_cross_entropy
from augdistill.training.batches import Batch
from augdistill.training.device import Device, resolve

log = logging.getLogger("augdistill")

MODELS = ("teacher", "student")  # kinds of runs that hold one
CONSTANT = 1e-12  # s.d. of a channel that is the same everywhere, but for rounding; any other's is above 1e-9


def describe_device(device: Device) -> str:
    """Return in words where and how a job computes."""
    facts = device.facts()
    return f"{facts['device']} ({facts['hardware']}), precision {facts['precision']}, threads {facts['threads']}"


def device_of(runtime: Runtime) -> Device:
    """Return where and how a job that trains computes; warns of more threads than cores, which wait for each other."""
    where = (runtime.device, runtime.precision, runtime.threads)
    device = resolve(*where, runtime.deterministic, runtime.cuda_graphs)
    if device.device.type == "cpu" and runtime.threads > (cores := usable_cores()):
        log.warning(
            "%s share %s, which can take many times as long: type runtime.threads=%d, in a study "
            "study.runtime.threads.teacher=%d",
            pluralise(runtime.threads, "thread"),
            pluralise(cores, "usable core"),
            cores,
            cores,
        )
    return device


@dataclass
class DeviceDataset:
    """A dataset's fold on the device: images uint8 [N,C,H,W], channels last, labels int64 [N], statistics [C]."""

    header: Header
    images: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor

    def part(self, rows: np.ndarray) -> "DeviceDataset":
        """Return some of the images; all of them, in their order, without a copy."""
        if np.array_equal(rows, np.arange(len(self.images))):
            return self
        index = torch.from_numpy(rows).to(self.images.device)
        return DeviceDataset(self.header, gather_images(self.images, index), self.labels[index], self.mean, self.std)


@dataclass(frozen=True)
class TrainValSplit:
    """A training set on the device: all of its images, and of them those that train, at `rows`, and that validate."""

    images: DeviceDataset
    rows: np.ndarray
    training: DeviceDataset
    held_out: DeviceDataset


def train_val_split(config: HasDataset, fingerprint: str, device: Device) -> TrainValSplit:
    """Return what a job trains on, split by `dataset.validation`; DataError unless it has the fingerprint."""
    found = dataset_images(config, fingerprint=fingerprint)
    images = on_device(found, statistics_of(config, found.header), device)
    rows, held_out = split(config, found.labels)
    return TrainValSplit(images, rows, images.part(rows), images.part(held_out))


def dataset_images(config: HasDataset, split: str = "train", fingerprint: str | None = None) -> ImageSet:
    """Return one fold of a dataset. Raises DataError unless it has the `fingerprint` that its run is named by."""
    dataset = config.dataset
    images = load(dataset.name, split, **dataset.reader_arguments(config.outputs))
    if fingerprint not in (None, images.header.fingerprint):
        raise DataError(f"{dataset.name} changed while it was read: the same command begins anew")
    return images if dataset.mean else replace(images, header=measured(images, split, dataset.validation))


def measured(images: ImageSet, split: str, validation: int) -> Header:
    """Return a fold's header with the statistics to normalise by: of a training set those of the images that train.

    A channel that is the same everywhere is divided by 1, and told of.
    """
    header, mean, std = images.header, images.header.mean, images.header.std
    if split == "train" and validation:
        mean, std = channel_statistics(images.images, split_validation(images.labels, validation)[0])
    for channel, spread in enumerate(std, 1):
        if spread < CONSTANT and split == "train":
            which = f"channel {channel} of {len(std)}"
            log.warning("%s: %s is %.3g in every pixel: divided by 1", header.name, which, mean[channel - 1])
    return replace(header, mean=mean, std=tuple(spread if spread >= CONSTANT else 1.0 for spread in std))


def statistics_of(config: HasDataset, training: Header) -> dict[str, list[float]]:
    """Return the mean and std, per channel, that normalise a job's images: the config's, else those measured."""
    found = {}
    for key in ("mean", "std"):
        values = list(getattr(config.dataset, key) or getattr(training, key))
        channels = training.shape[0]
        if len(values) not in (1, channels):
            raise ConfigError(f"dataset.{key} has {len(values)} values for {channels} channels: give one for each")
        found[key] = values * (channels // len(values))
    return found


def on_device(images: ImageSet, statistics: dict[str, list[float]], device: Device) -> DeviceDataset:
    """Put a fold on the device; on a CPU its pixels stay mapped, one copy for all processes of a machine."""
    return DeviceDataset(
        images.header,
        mapped(images.images).to(device.device),
        torch.from_numpy(np.array(images.labels)).to(device.device),
        torch.tensor(statistics["mean"], device=device.device),
        torch.tensor(statistics["std"], device=device.device),
    )


def mapped(images: np.ndarray) -> Tensor:
    """Return images [N,C,H,W] in memory, or mapped from a file, as a tensor; mapped ones are read as they are used.

    The mapping is private: what is written to the tensor, and nothing here does, never reaches the file.
    """
    if not isinstance(images, np.memmap):
        return torch.from_numpy(np.array(images))
    assert images.transpose(0, 2, 3, 1).flags.c_contiguous, "packed channels last"
    count, channels, height, width = images.shape
    size = images.offset + images.nbytes
    whole = torch.from_file(str(images.filename), shared=False, size=size, dtype=torch.uint8)
    return as_images(whole[images.offset :].view(count, 1, height, width, channels))


def placed(model: nn.Module, device: Device) -> nn.Module:
    """Return a model on the device, its convolutions in the memory format that is fast there."""
    # PyTorch's overloads lack it
    return model.to(device.device, memory_format=device.memory_format)  # type: ignore[call-overload, no-any-return]


def split(config: HasDataset, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the training set that train and that validate, by `dataset.validation`."""
    return split_validation(labels, config.dataset.validation)


def label_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return [3]: soft cross-entropy with the batch's targets [B,K], the same as its part, no KD."""
    loss = soft_cross_entropy(logits, batch.targets)
    return torch.stack([loss, loss.detach(), torch.zeros_like(loss)])


@torch.no_grad()
def predict(model: nn.Module, data: DeviceDataset, device: Device, batch: int = 512) -> tuple[Tensor, Tensor]:
    """Return logits [N,K] and embeddings [N,d], float32 on the CPU, of a model in evaluation mode."""
    model.eval()
    normalise = Normaliser(data.mean, data.std, data.header.shape, device.memory_format)
    outputs: list[Tensor] = []
    for start in range(0, len(data.images), batch):
        images = normalise(data.images[start : start + batch])
        with device.autocast():
            found = model(images)
        if not outputs:  # written where they end: a list of parts and what is made of it would be there at once
            outputs = [torch.empty(len(data.images), some.shape[1], device=some.device) for some in found]
        for output, some in zip(outputs, found, strict=True):
            output[start : start + batch] = some
    logits, embeddings = outputs
    return logits.cpu(), embeddings.cpu()


def accuracy(model: nn.Module, data: DeviceDataset, device: Device) -> float:
    """Return the share of images whose largest logit is the label's, as the loop asks after an epoch."""
    logits, _ = predict(model, data, device)
    return float((logits.argmax(1) == data.labels.cpu()).double().mean())


def label_nll(model: nn.Module, data: DeviceDataset, device: Device) -> float:
    """Return the mean cross-entropy of the labels over images, in nats, as the loop asks after an epoch."""
    logits, _ = predict(model, data, device)
    return float(nn.functional.cross_entropy(logits.double(), data.labels.cpu()))
