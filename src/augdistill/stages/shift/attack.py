"""A model under attack: accuracy by radius, beside that under noise and under an attack on another model."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from augdistill.augment.normaliser import Normaliser
from augdistill.base import reading, signals
from augdistill.base.errors import AugdistillError, DataError, StoppedError
from augdistill.base.seeds import derive
from augdistill.base.text import removal
from augdistill.config.shift import Attack
from augdistill.metrics.calibration import ece, reliability
from augdistill.metrics.classification import log_softmax, nll
from augdistill.shift import attacks
from augdistill.stages import common, evaluation, folders
from augdistill.stages.shift import Found, Subject
from augdistill.stages.shift.kept import Kept
from augdistill.store.runs import RunStore

log = logging.getLogger("augdistill")

BATCH = 512  # as predictions are made: the same bits where nothing moves
WAYS = ("attacked", "noise", "transfer")  # white-box, noise of the same size, made on another model
PREFIX = {"attacked": "", "noise": "noise_", "transfer": "transfer_"}
transferred: Kept[Tensor] = Kept(2**28)  # images that attacks on sources moved


def found(subject: Subject) -> Found:
    """Return accuracy, ECE and NLL by radius, 0 among them, and what was predicted; each radius is kept once done.

    `robust_accuracy` is the mean over the radii above 0.
    """
    under = subject.config.under
    assert isinstance(under, Attack)
    data, source = subject.own, source_of(subject)
    models = {"attacked": subject.model, **({"transfer": source} if source is not None else {})}
    radii = (0.0, *under.radii)
    with signals.stop_on_signal() as stop:
        parts = [of_radius(subject, under, data, models, radius, stop) for radius in radii]
    for path in subject.folder.glob(".radius-*.npz"):
        path.unlink()
    labels = subject.labels
    arrays = numbers(parts, radii, labels)
    scalars = {"robust_accuracy": float(np.mean(arrays["accuracy_at"][1:]))}
    stacked = {way: np.stack([part[way] for part in parts]) for way in parts[0]}
    predictions = {f"{way}_predicted": values.argmax(2).astype(np.uint16) for way, values in stacked.items()}
    predictions["confidence"] = np.exp(
        np.stack([log_softmax(logits).max(axis=1) for logits in stacked["attacked"]])
    ).astype(np.float16)
    return Found(scalars, arrays, predictions, masking(arrays, under))


def source_of(subject: Subject) -> nn.Module | None:
    """Return the other model on which an attack is made, None where there is none."""
    name = subject.config.source
    if name is None:
        return None
    other = evaluation.model_run(RunStore(Path(subject.config.outputs)), name)
    if other.model.classes != subject.run.model.classes or other.model.statistics != subject.run.model.statistics:
        raise DataError(
            f"{other.path.name} was trained on other data than {subject.run.path.name}: name another source"
        )
    model = evaluation.load_model(other, subject.own, subject.device)
    return model.eval().requires_grad_(False)


def source_id(subject: Subject) -> str | None:
    """Return the identity of the other model on which an attack is made, None where there is none."""
    config = subject.config
    return RunStore(Path(config.outputs)).get(config.source).id if config.source else None


def of_radius(
    subject: Subject,
    under: Attack,
    data: common.DeviceDataset,
    models: dict[str, nn.Module],
    radius: float,
    stop: signals.StopRequest,
) -> dict[str, np.ndarray]:
    """Return logits [N,K] under each way at one radius, as a file keeps them where this was done before."""
    path = subject.folder / f".radius-{radius:g}.npz"
    with suppress(FileNotFoundError, AugdistillError):
        kept = reading.read_arrays(path, removal(subject.folder))
        if {*kept} == {*models, "noise"} and all(len(values) == len(data.images) for values in kept.values()):
            return kept
    parts: dict[str, list[Tensor]] = {way: [] for way in (*models, "noise")}
    normalise = Normaliser(data.mean, data.std, data.header.shape, subject.device.memory_format)
    source = source_id(subject)
    for number, (images, labels) in enumerate(batches(data, subject.device.memory_format)):
        if stop():
            raise StoppedError(signals.STOPPED)
        draws = np.random.default_rng(derive(under.seed, "attack", under.norm, f"{radius:g}", number))
        attempt = Attempt(subject.model, normalise, images, labels, under, radius, draws, source)
        for way, logits in attempt.logits(models):
            parts[way].append(logits.cpu())
    arrays = {way: torch.cat(values).numpy() for way, values in parts.items()}
    folders.save_arrays(path, arrays)
    right = (arrays["attacked"].argmax(1) == subject.labels).mean()
    log.info("%s, radius %g of 255: accuracy %.2f %%", under.name, radius, 100 * right)
    return arrays


def batches(data: common.DeviceDataset, layout: torch.memory_format) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images, float32 in 0..255, and labels."""
    for start in range(0, len(data.images), BATCH):
        images = data.images[start : start + BATCH].contiguous(memory_format=layout).to(torch.float32)
        yield images, data.labels[start : start + BATCH]


@dataclass(frozen=True)
class Attempt:
    """An attack on a model at one radius: a batch of images, float32 in 0..255, labels, and its chance.

    `source` is the identity of the other model that is attacked, if one is: it moves the images alike for every model.
    """

    model: nn.Module
    normalise: Normaliser
    images: Tensor
    labels: Tensor
    under: Attack
    radius: float
    draws: np.random.Generator
    source: str | None = None

    def logits(self, models: dict[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
        """Yield the model's logits [B,K] for the batch moved by an attack on each of `models`, and by noise."""
        for way, attacked in models.items():
            moved = self.transferred(attacked) if way == "transfer" else self.moved(attacked, self.starts())
            yield way, logits_of(self.model, self.normalise, moved)
        blind = attacks.noise(self.images.shape, self.under.norm, self.radius, self.draws).to(self.images.device)
        noisy = attacks.projected(self.images, self.images + blind, self.under.norm, self.radius)
        yield "noise", logits_of(self.model, self.normalise, noisy)

    def starts(self) -> Iterator[Tensor]:
        """Yield a first displacement [B,C,H,W] for each restart, drawn when it is asked for."""
        for _ in range(self.under.restarts if self.radius else 1):
            start = attacks.displacement(self.images.shape, self.under.norm, self.radius, self.draws)
            yield start.to(self.images.device)

    def transferred(self, source: nn.Module) -> Tensor:
        """Return the images after an attack on the source, as they were made for the model before.

        What it draws is drawn either way, so that what comes after has the same chance.
        """
        digest = hashlib.blake2b(self.images.cpu().numpy().tobytes()).digest()
        chance = repr(self.draws.bit_generator.state)
        key = (self.source, self.under, self.radius, str(self.images.device), digest, chance)
        starts = self.starts()
        moved = transferred.get(key, lambda: self.moved(source, starts))
        for _ in starts:
            pass
        return moved

    def moved(self, attacked: nn.Module, starts: Iterator[Tensor]) -> Tensor:
        """Return the images after an attack on a model, each after the first restart that makes it wrong."""
        under, radius, best = self.under, self.radius, self.images
        for restart, start in enumerate(starts):
            moved = attacks.attack(
                lambda pixels: differentiable(attacked, self.normalise, pixels),
                self.images,
                self.labels,
                norm=under.norm,
                radius=radius,
                steps=under.steps,
                step_size=under.step * radius / under.steps,
                start=start if under.random_start else None,
            )
            if restart == 0:
                best = moved
            else:
                still_right = logits_of(attacked, self.normalise, best).argmax(1) == self.labels
                best = torch.where(still_right[:, None, None, None], moved, best)
        return best


def differentiable(model: nn.Module, normalise: Normaliser, pixels: Tensor) -> Tensor:
    """Return logits [B,K] of images in 0..255, normalised in the same operation as bytes are."""
    logits: Tensor = model(torch.addcmul(normalise.shift, pixels, normalise.scale))[0]
    return logits


@torch.no_grad()
def logits_of(model: nn.Module, normalise: Normaliser, pixels: Tensor) -> Tensor:
    """Return logits [B,K] of images in 0..255, without a gradient."""
    return differentiable(model, normalise, pixels.contiguous(memory_format=normalise.memory_format))


def numbers(parts: list[dict[str, np.ndarray]], radii: tuple[float, ...], labels: np.ndarray) -> dict[str, list[float]]:
    """Return what is measured at each radius: accuracy of the model attacked, under noise, under a transferred attack.

    ECE and NLL are those of the model attacked.
    """
    found: dict[str, list[float]] = {"radii": list(radii)}
    for way in WAYS:
        if way in parts[0]:
            found[f"{PREFIX[way]}accuracy_at"] = [float((part[way].argmax(1) == labels).mean()) for part in parts]
    logs = [log_softmax(part["attacked"]) for part in parts]
    found["ece_at"] = [ece(reliability(values, labels)) for values in logs]
    found["nll_at"] = [nll(values, labels) for values in logs]
    return found


def masking(found: dict[str, list[float]], under: Attack) -> list[str]:
    """Return what says that a model's gradients hide its errors: a weaker attack that does more than this one."""
    told = []
    for way, words in (("transfer", "an attack on another model"), ("noise", "noise")):
        others = found.get(f"{PREFIX[way]}accuracy_at", [])
        for radius, own, other in zip(found["radii"], found["accuracy_at"], others, strict=bool(others)):
            if other < own - 0.01:
                what = f"at {radius:g} of 255 {words} leaves less right than {under.name}"
                told.append(f"gradients may be masked: {what}")
    return told
