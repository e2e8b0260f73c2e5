"""A model on corrupted test images: every corruption at every severity, in one evaluation."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from augdistill.base.arrays import Floats, Ints
from augdistill.base.errors import DataError
from augdistill.config.shift import MADE, Corruptions
from augdistill.data import corrupted
from augdistill.metrics.calibration import BINS, ece, reliability
from augdistill.metrics.classification import accuracy, log_softmax, nll
from augdistill.shift import CORRUPTIONS, VERSION
from augdistill.shift.corruptions import corrupt
from augdistill.stages.shift import Found, Subject
from augdistill.stages.shift.kept import Kept

MEASURED = ("accuracy", "ece", "nll")
KEPT_BYTES = 2**29  # of a set of made images that a process keeps for the next model
made: Kept[np.ndarray] = Kept(KEPT_BYTES)


def found(subject: Subject) -> Found:
    """Return accuracy, ECE and NLL under every corruption and severity, their means, and what was predicted."""
    under = subject.config.under
    assert isinstance(under, Corruptions)
    labels, names = subject.labels, names_of(under, Path(subject.trained.root))
    table = {what: np.full((len(names), len(under.severities)), np.nan) for what in MEASURED}
    shape = (len(names), len(under.severities), len(labels))
    predicted = np.empty(shape, dtype=np.uint8 if len(subject.images.header.classes) <= 256 else np.uint16)
    confidence, of_label = np.empty(shape, dtype=np.float16), np.empty(shape, dtype=np.float16)
    bins = np.zeros((3, BINS))
    for row, column, pixels in images_of(subject, under, names):
        logs = log_softmax(subject.predict(pixels)[0])
        values, diagram = scored(logs, labels)
        for what in MEASURED:
            table[what][row, column] = values[what]
        bins += diagram
        predicted[row, column], confidence[row, column] = logs.argmax(1), np.exp(logs.max(1))
        of_label[row, column] = logs[np.arange(len(labels)), labels].clip(-6e4)
    arrays = {
        "corruptions": list(names),
        "severities": list(under.severities),
        **{f"{what}_under": values.tolist() for what, values in table.items()},
        "reliability": pooled(bins),
    }
    predictions = {"predicted": predicted, "confidence": confidence, "label_log_probability": of_label}
    return Found(means(table, names), arrays, predictions, notes(under))


def names_of(under: Corruptions, root: Path) -> tuple[str, ...]:
    """Return the corruptions of a set; of a published one those that are there. Raises DataError."""
    return tuple(CORRUPTIONS) if under.name == MADE else tuple(corrupted.corruptions(under.name, root))


def images_of(subject: Subject, under: Corruptions, names: tuple[str, ...]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield (corruption, severity, bytes [N,C,H,W]) by their places, one at a time."""
    if under.name == MADE:
        yield from made_images(subject, under, names)
        return
    root = Path(subject.trained.root)
    theirs = corrupted.read_labels(under.name, root)
    if not np.array_equal(theirs, subject.images.labels):
        raise DataError(f"{under.name} has other labels than the test images of {subject.trained.name} in {root}")
    for row, name in enumerate(names):
        images = corrupted.read_images(under.name, root, name)
        for column, severity in enumerate(under.severities):
            yield row, column, np.ascontiguousarray(images[severity - 1, subject.rows])


def made_images(subject: Subject, under: Corruptions, names: tuple[str, ...]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield what is made of a dataset's test images; a small set is kept for the next model of this process."""
    pixels = np.ascontiguousarray(subject.images.images[subject.rows])
    small = pixels.nbytes * len(names) * len(under.severities) <= KEPT_BYTES
    digest = hashlib.blake2b(pixels.tobytes()).digest() if small else b""
    for row, name in enumerate(names):
        for column, severity in enumerate(under.severities):
            make = partial(corrupt, pixels, name, severity)
            yield row, column, made.get((digest, pixels.shape, name, severity), make) if small else make()


def scored(logs: Floats, labels: Ints) -> tuple[dict[str, float], Floats]:
    """Return what is measured of log-probabilities [N,K], and the counts, confidences and hits of ten bins, summed."""
    diagram = reliability(logs, labels)
    sums = [diagram.counts, *(np.nan_to_num(part) * diagram.counts for part in (diagram.confidence, diagram.accuracy))]
    values = {"accuracy": accuracy(logs, labels), "ece": ece(diagram), "nll": nll(logs, labels)}
    return values, np.array(sums, dtype=np.float64)


def pooled(bins: Floats) -> dict[str, list[float]]:
    """Return the reliability diagram over all images of a set, from the sums [3,bins] of its parts."""
    counts = np.where(bins[0] > 0, bins[0], np.nan)
    edges = (np.arange(BINS + 1) / BINS).tolist()
    parts = {"confidence": (bins[1] / counts).tolist(), "accuracy": (bins[2] / counts).tolist()}
    return {"edges": edges, "counts": bins[0].astype(int).tolist(), **parts}


def means(table: dict[str, np.ndarray], names: tuple[str, ...]) -> dict[str, float]:
    """Return the means over the 15 corruptions and their severities; the four others are not counted."""
    rows = [row for row, name in enumerate(names) if name in CORRUPTIONS]
    return {what: float(table[what][rows].mean()) for what in MEASURED}


def notes(under: Corruptions) -> list[str]:
    """Return what a reader must know of the images."""
    if under.name != MADE:
        return [f"{under.name}: {corrupted.NOTE}"]
    return [f"corruptions are made here (version {VERSION}), and are not the published CIFAR-10-C or CIFAR-100-C"]
