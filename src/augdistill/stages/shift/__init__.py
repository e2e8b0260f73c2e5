"""Evaluate a finished run under shift: on corrupted images, under an attack, beside images of no known class."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from augdistill.base.errors import DataError
from augdistill.base.files import write_json
from augdistill.base.seeds import derive
from augdistill.base.text import now
from augdistill.config.groups import Dataset
from augdistill.config.jobs import DatasetAt, ShiftConfig
from augdistill.config.shift import Attack, Corruptions
from augdistill.data import ImageSet, test_set_name
from augdistill.data.splits import stratified
from augdistill.metrics import Scores
from augdistill.stages import common, evaluation, folders, making, names
from augdistill.store.evaluations import METRICS_FILE, PREDICTIONS
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.device import Device, resolve

NO_SCALING = "none"  # what metrics.json says of temperature scaling, where none is


@dataclass(frozen=True)
class Found:
    """What an evaluation under shift found: numbers, lists, what was predicted, and what a reader must know."""

    scalars: dict[str, float]
    arrays: dict[str, Any]
    predictions: dict[str, np.ndarray]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a run's model on the device, its own test images, and of them the rows that are looked at."""

    run: Run
    config: ShiftConfig
    trained: Dataset
    model: nn.Module
    images: ImageSet
    rows: np.ndarray
    device: Device
    folder: Path

    @property
    def labels(self) -> np.ndarray:
        """The labels, int64 [N], of the images that are looked at."""
        return np.array(self.images.labels[self.rows])

    def dataset(self, pixels: np.ndarray, labels: np.ndarray) -> common.DeviceDataset:
        """Return images, bytes [N,C,H,W], on the device, with the statistics that the run was trained with."""
        images = ImageSet(self.images.header, pixels, labels)
        return common.on_device(images, dict(self.run.model.statistics), self.device)

    @property
    def own(self) -> common.DeviceDataset:
        """The test images that are looked at, on the device."""
        return self.dataset(np.ascontiguousarray(self.images.images[self.rows]), self.labels)

    def predict(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits [N,K] and embeddings [N,d], float32, of images, bytes [N,C,H,W]."""
        data = self.dataset(pixels, np.zeros(len(pixels), dtype=np.int64))
        logits, embeddings = common.predict(self.model, data, self.device)
        return logits.numpy(), embeddings.numpy()


def run(config: ShiftConfig, wait: bool = True, planned: str | None = None) -> Run:
    """Return an evaluation under shift, made if it is not there yet; raises DataError where images are not there."""
    store = RunStore(Path(config.outputs))
    evaluated = evaluation.model_run(store, config.run)
    source = evaluation.model_run(store, config.source) if config.source else None
    trained = names.located(config, evaluated.config.dataset, evaluated.manifest.document.data)
    precision = evaluated.config.runtime.precision
    ref = names.shift_name(config, evaluated.ref, trained, precision, source.ref if source else None)
    return making.find_or_make(ref, store, wait, planned, lambda folder: make(config, evaluated, trained, ref, folder))


def make(config: ShiftConfig, evaluated: Run, trained: Dataset, ref: Ref, folder: Path) -> Run:
    """Predict, score and publish an evaluation under shift in its folder; `trained` says where the run's data lie."""
    began, clock = now(), time.monotonic()
    precision = "fp32" if isinstance(config.under, Attack) else evaluated.config.runtime.precision
    device = resolve(config.runtime.device, precision, config.runtime.threads)
    subject = subject_of(config, evaluated, trained, folder, device)
    found = finder(config)(subject)
    folders.save_arrays(folder / PREDICTIONS, {"rows": subject.rows, "labels": subject.labels, **found.predictions})
    write_json(folder / METRICS_FILE, Scores(found.scalars, found.arrays, NO_SCALING).to_json())
    made = folders.RunTiming(device, began, time.monotonic() - clock)
    parents = {"run": evaluated.path.name, **({"source": config.source} if config.source else {})}
    told = [*folders.notes(subject.images.header, evaluated.config), *found.notes]
    called = config.under.called(test_set_name(trained.name, trained.plain()))
    facts = {"test_set": called, "accuracy": found.scalars.get("accuracy")}
    asked = {**config.plain(), "dataset": trained.plain()}
    store = RunStore(Path(config.outputs))
    return folders.publish(store, ref, "finished", asked, folders.provenance(made, parents, told), **facts)


def finder(config: ShiftConfig) -> Callable[[Subject], Found]:
    """Return what evaluates a model under what a config asks for."""
    from augdistill.stages.shift import attack, corruptions, unknown

    if isinstance(config.under, Corruptions):
        return corruptions.found
    return attack.found if isinstance(config.under, Attack) else unknown.found


def subject_of(config: ShiftConfig, evaluated: Run, trained: Dataset, folder: Path, device: Device) -> Subject:
    """Return what is evaluated; DataError for test images of other classes than the run knows."""
    images = common.dataset_images(DatasetAt(trained, config.outputs), "test")
    if images.header.classes != evaluated.model.classes:
        raise DataError(f"{trained.name} has other classes now than {evaluated.path.name} was trained on")
    data = common.on_device(images, dict(evaluated.model.statistics), device)
    model = evaluation.load_model(evaluated, data, device)
    model.eval().requires_grad_(False)
    rows = chosen_rows(np.array(images.labels), config.under.images)
    return Subject(evaluated, config, trained, model, images, rows, device, folder)


def chosen_rows(labels: np.ndarray, count: int | None) -> np.ndarray:
    """Return which of the images with these labels are looked at, each class alike; the same for every model."""
    if count is None or count >= len(labels):
        return np.arange(len(labels))
    return stratified(labels, count, derive(0, "images-under-shift"))[1]
