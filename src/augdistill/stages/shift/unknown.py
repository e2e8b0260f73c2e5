"""A model beside images of no class that it knows: whether its predictions tell them from its own test images."""

import numpy as np
import torch
from torch.nn import functional

from augdistill.base.errors import DataError
from augdistill.base.seeds import derive
from augdistill.config.jobs import DatasetAt
from augdistill.config.shift import HELD_OUT, NOISE, Unknown
from augdistill.metrics.unknown import directions, known_scores, neighbour_scores, unknown_metrics
from augdistill.stages import common, evaluation, names
from augdistill.stages.shift import Found, Subject, chosen_rows

HALF = np.float16  # of embeddings of length 1


def found(subject: Subject) -> Found:
    """Return AUROC, AUPR and FPR95 of four scores, from what is saved: logits, and embeddings of length 1."""
    under = subject.config.under
    assert isinstance(under, Unknown)
    known_logits, known_embeddings = own_predictions(subject)
    logits, embeddings = subject.predict(unknown_images(subject, under))
    saved = {
        "unknown_logits": logits,
        "unknown_embeddings": directions(embeddings).astype(HALF),
        "reference_embeddings": directions(reference(subject, under)).astype(HALF),
    }
    neighbours = max(1, round(under.neighbours * len(saved["reference_embeddings"])))
    scores = [
        {**known_scores(some), "knn": neighbour_scores(of, saved["reference_embeddings"], neighbours)}
        for some, of in (
            (known_logits, directions(known_embeddings).astype(HALF)),
            (logits, saved["unknown_embeddings"]),
        )
    ]
    arrays = {"known": len(known_logits), "unknown": len(logits), "neighbours": neighbours}
    return Found(unknown_metrics(*scores), arrays, saved)


def own_predictions(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits and embeddings that the run's evaluation on its own test set saved, made if it is not there."""
    config = subject.config
    where = {key: getattr(config, key) for key in ("root", "verify", "path")}
    job = names.evaluation_config(
        config.run, subject.trained.name, config.outputs, runtime=config.runtime.plain(), **where
    )
    arrays = evaluation.predictions(evaluation.run(job))
    rows = subject.rows
    return arrays["logits"][rows], arrays["embeddings"][rows]


def unknown_images(subject: Subject, under: Unknown) -> np.ndarray:
    """Return unknown images, bytes [N,C,H,W], of the shape that the model takes."""
    shape = subject.images.header.shape
    if under.name == NOISE:
        rng = np.random.default_rng(derive(0, "unknown-noise"))
        return rng.integers(0, 256, (len(subject.rows), *shape), dtype=np.uint8)
    is_held_out = under.name == HELD_OUT
    find = (
        names.with_all_classes(subject.trained) if is_held_out else names.default_dataset(under.name, subject.trained)
    )
    images = common.dataset_images(DatasetAt(find, subject.config.outputs), "test")
    if images.header.classes == subject.images.header.classes:
        classes = ", ".join(images.header.classes[:3])
        raise DataError(f"unknown={under.name} has the classes that {subject.run.path.name} knows ({classes}, ...)")
    labels = np.array(images.labels)
    there = np.arange(len(labels))
    if is_held_out:
        known = [images.header.classes.index(name) for name in subject.images.header.classes]
        there = there[~np.isin(labels, known)]
    rows = there[chosen_rows(labels[there], under.images)]
    return fitted(np.ascontiguousarray(images.images[rows]), shape)


def fitted(pixels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return images, bytes [N,C,H,W], of another shape: grey ones repeated, coloured ones as luminance, resized."""
    images = torch.from_numpy(pixels).to(torch.float32)
    if images.shape[1] != shape[0]:
        if images.shape[1] == 3:
            images = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        images = images[:, :1].expand(-1, shape[0], -1, -1)
    if images.shape[-2:] != shape[1:]:
        images = functional.interpolate(images, shape[1:], mode="bilinear", antialias=True)
    return images.round().clamp(0, 255).to(torch.uint8).numpy()


def reference(subject: Subject, under: Unknown) -> np.ndarray:
    """Return the embeddings [M,d] of training images, each class alike."""
    training = common.dataset_images(DatasetAt(subject.trained, subject.config.outputs))
    rows = chosen_rows(np.array(training.labels), under.reference)
    return subject.predict(np.ascontiguousarray(training.images[rows]))[1]
