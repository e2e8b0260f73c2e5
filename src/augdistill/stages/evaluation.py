"""Evaluate a finished run on one test set: predictions, metrics, and what a student kept of its teacher."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augdistill.base.errors import DataError
from augdistill.base.files import write_json
from augdistill.base.text import now
from augdistill.config.groups import Dataset
from augdistill.config.jobs import DatasetAt, EvaluationConfig, StudentConfig
from augdistill.data import HUMAN_LABELS, expected_shape, load_human_labels, test_set_name
from augdistill.metrics import Scores, Teacher, score, score_against_humans
from augdistill.stages import common, folders, making, names
from augdistill.store.evaluations import METRICS_FILE, PREDICTIONS, teacher_of
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.device import Device, resolve

log = logging.getLogger(__name__)


def run(config: EvaluationConfig, wait: bool = True, planned: str | None = None) -> Run:
    """Return an evaluation, made if it is not there yet. Raises DataError if the test set is not there."""
    store = RunStore(Path(config.outputs))
    evaluated = model_run(store, config.run)
    trained = names.located(config, evaluated.config.dataset, evaluated.manifest.document.data)
    fingerprint = names.test_fingerprint(config.test_set, DatasetAt(trained, config.outputs))
    ref = names.evaluation_name(config, evaluated.ref, trained, evaluated.config.runtime.precision, fingerprint)
    return making.find_or_make(
        ref, store, wait, planned, lambda folder: evaluate(config, evaluated, trained, ref, store, folder)
    )


def model_run(store: RunStore, name: str) -> Run:
    """Return the finished run of a model with weights; raises RunError for any other."""
    evaluated = store.get(name)
    folders.check_has_weights(evaluated)
    return evaluated


def evaluate(
    config: EvaluationConfig, evaluated: Run, trained: Dataset, ref: Ref, store: RunStore, folder: Path
) -> Run:
    """Predict, score and publish an evaluation in its folder; `trained` says where the run's data lie now."""
    began, clock = now(), time.monotonic()
    device = resolve(config.runtime.device, evaluated.config.runtime.precision, config.runtime.threads)
    dataset = names.test_dataset(config.test_set, trained)
    if config.test_set in HUMAN_LABELS:
        scores, notes = human_scores(config, evaluated, dataset)
    else:
        scores, notes = image_scores(config, evaluated, dataset, folder, device)
    write_json(folder / METRICS_FILE, scores.to_json())
    made = folders.RunTiming(device, began, time.monotonic() - clock)
    provenance = folders.provenance(made, {"run": evaluated.path.name}, notes)
    name = test_set_name(config.test_set, trained.plain())
    facts = {"test_set": name, "accuracy": scores.scalars.get("accuracy")}
    asked = {**config.plain(), "dataset": dataset.plain()}
    return folders.publish(store, ref, "finished", asked, provenance, **facts)


def image_scores(
    config: EvaluationConfig, evaluated: Run, dataset: Dataset, folder: Path, device: Device
) -> tuple[Scores, list[str]]:
    """Predict the images of a test set, write predictions.npz, and return scores and what a reader must know."""
    images = common.dataset_images(DatasetAt(dataset, config.outputs), "test")
    known = evaluated.model.classes
    if images.header.classes != known:
        raise DataError(
            f"{config.test_set} has other classes than {evaluated.path.name}: {', '.join(known)} are needed"
        )
    trained = evaluated.config.dataset
    shape = expected_shape(trained.name, **trained.parameters())
    if images.header.shape != shape:
        sizes = ["x".join(map(str, size)) for size in (images.header.shape, shape)]
        raise DataError(f"{config.test_set} has images of {sizes[0]}, {evaluated.path.name} takes {sizes[1]}")
    statistics: dict[str, Any] = dict(evaluated.model.statistics)
    if config.normalisation == "own":
        statistics = {key: getattr(dataset, key) or getattr(images.header, key) for key in ("mean", "std")}
    data = common.on_device(images, statistics, device)
    model = load_model(evaluated, data, device)
    logits, embeddings = (values.numpy() for values in common.predict(model, data, device))
    arrays = {"logits": logits, "labels": np.array(images.labels)}
    if config.test_set == trained.name:
        arrays["embeddings"] = embeddings
    folders.save_arrays(folder / PREDICTIONS, arrays)
    taught_by = teacher_of(evaluated, RunStore(Path(config.outputs)))
    taught = None if taught_by is None else run(config.model_copy(update={"run": taught_by.path.name}))
    scores = score(
        logits,
        images.labels,
        embeddings=arrays.get("embeddings"),
        validation=validation_logits(evaluated),
        teacher=None if taught is None else teacher_outputs(evaluated, taught),
    )
    return scores, folders.notes(images.header, evaluated.config)


def human_scores(config: EvaluationConfig, evaluated: Run, dataset: Dataset) -> tuple[Scores, list[str]]:
    """Return how a run's predictions of the images agree with the people who labelled them."""
    about = run(config.model_copy(update={"test_set": HUMAN_LABELS[config.test_set]}))
    arrays = predictions(about)
    human = load_human_labels(config.test_set, root=Path(dataset.root), verify=dataset.verify).probabilities
    held_out = validation_logits(evaluated)
    scores = score_against_humans(arrays["logits"], arrays["labels"], human, validation=held_out)
    return scores, list(about.manifest.provenance.notes)


def load_model(evaluated: Run, data: common.DeviceDataset, device: Device) -> torch.nn.Module:
    """Return a run's model on the device; a teacher has to prove itself to students, here its checksum is enough."""
    classes = len(evaluated.model.classes)
    model = folders.load_model(evaluated, lambda: making.build(evaluated.config, data.header.shape, classes))
    return common.placed(model, device)


def teacher_outputs(student_run: Run, taught: Run) -> Teacher:
    """Return what a student learned from, by the evaluation of its teacher on the same test set."""
    assert isinstance(student_run.config, StudentConfig)
    return Teacher(predictions(taught)["logits"], student_run.config.distillation.temperature)


def validation_logits(evaluated: Run) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the logits and labels of a run's validation split, None where it had none."""
    if folders.VALIDATION not in evaluated.manifest.files:
        return None
    arrays = folders.stored_predictions(evaluated, folders.VALIDATION)
    return arrays["logits"], arrays["labels"]


def predictions(evaluation: Run) -> dict[str, Any]:
    """Return the arrays that an evaluation stored: logits [N,K], labels [N], embeddings [N,d] on its own test set."""
    return folders.stored_predictions(evaluation, PREDICTIONS)
