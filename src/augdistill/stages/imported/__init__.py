"""A teacher from elsewhere: its weights in a network that somebody else built, or its outputs on the training images.

What it is, is its content. It is saved as the run of a teacher, and is one wherever its kind of content suffices.
"""

import hashlib
import logging
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from augdistill import data
from augdistill.base.checks import require
from augdistill.base.errors import DataError, ModelError, RunError
from augdistill.base.text import now, removal
from augdistill.config.commands import ImportTeacherCommand
from augdistill.config.jobs import DatasetAt, Imported, ImportedConfig
from augdistill.data import HUMAN_LABELS, Header, test_set_name
from augdistill.models import foreign, state_files
from augdistill.stages import common, folders, making, names
from augdistill.stages.imported import answers
from augdistill.stages.teacher import write_probe
from augdistill.store.identity import Ref, imported_ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.device import Device

log = logging.getLogger("augdistill")

LOGITS = "logits.npy"  # of a teacher that is known by its outputs alone
SPREAD = 3.0  # standard errors by which an accuracy is above chance


class Checked(NamedTuple):
    """The images on which a teacher was checked, in words, and its accuracy there."""

    images: str
    accuracy: float


def run(config: ImportTeacherCommand) -> Run:
    """Return the run of a teacher from elsewhere, made if it is not there yet.

    Raises RequestError, before a run is written, for files that are none, that do not fit the data set, or whose
    accuracy is no better than chance.
    """
    check_asked(config)
    began, clock, device = now(), time.monotonic(), common.device_of(config.runtime)
    at = DatasetAt(config.dataset, config.outputs)
    header = names.dataset_header(at)
    names.check_training_set(config.dataset, header)
    images = common.dataset_images(at, fingerprint=header.fingerprint)
    whole = common.on_device(images, common.statistics_of(at, images.header), device)
    if config.weights is not None:
        model = model_of(config, images.header, common.statistics_of(at, images.header))
        content, found = state_files.state_digest(model), on_images(model, config, at, whole, device)
    else:
        model, read = None, read_file(config, header)
        content, found = digest_of(read.logits), on_training(config, at, read.logits, np.array(images.labels))
    saved = imported_config(config, content)
    ref, store = imported_ref(saved, header.fingerprint), RunStore(Path(config.outputs))
    refuse_taken_name(saved.imported.name, ref, store)

    def make(folder: Path) -> Run:
        if model is None:
            folders.save_array(folder / LOGITS, read.logits)
        else:
            placed = common.placed(model, device)
            folders.save_weights(folder, placed)
            write_probe(folder, placed, whole, device)
        told = [*folders.notes(header, saved), came_from(saved, found), *([read_as(read)] if model is None else [])]
        made = folders.provenance(folders.RunTiming(device, began, time.monotonic() - clock), {}, told)
        facts = {"shape": header.shape, "classes": header.classes, "statistics": statistics}
        return folders.publish(store, ref, "finished", saved.plain(), made, **facts)

    statistics = common.statistics_of(at, images.header)
    run = making.find_or_make(ref, store, config.wait, None, make)
    log.info("%s: accuracy %.2f %% on %s", run.path.name, 100 * found.accuracy, found.images)
    return run


def check_asked(config: ImportTeacherCommand) -> None:
    """Raise ConfigError unless a config names a teacher and one of the two things that one is imported by."""
    require(config.name is not None, "name", "null", "what the teacher is to be called, as in name=theirs")
    one = (config.weights is None) != (config.predictions is None)
    require(one, "weights", config.weights or "null", "one of weights=FILE and predictions=FILE")
    if config.weights is not None:
        named = config.architecture is not None
        require(named, "architecture", "null", "what the weights are of, as in architecture=torchvision/resnet18")
        return
    for key in ("architecture", "mean", "std", "size"):
        given = getattr(config, key)
        require(given is None, key, given, "predictions have no weights, so that it has no effect: leave it out")


def imported_config(config: ImportTeacherCommand, content: str) -> ImportedConfig:
    """Return what the run of an imported teacher says of it."""
    file = config.weights or config.predictions
    assert config.name is not None
    assert file is not None
    is_model = config.weights is not None
    about = Imported(
        name=config.name,
        form="weights" if is_model else "outputs",
        content=content,
        file=str(Path(file).expanduser().absolute()),
        architecture=config.architecture if is_model else None,
        parameters=config.parameters if is_model else {},
        size=config.size if is_model else None,
        mean=config.mean if is_model else None,
        std=config.std if is_model else None,
    )
    return ImportedConfig(outputs=config.outputs, dataset=config.dataset, runtime=config.runtime, imported=about)


def model_of(config: ImportTeacherCommand, header: Header, statistics: dict[str, list[float]]) -> foreign.Foreign:
    """Return the network of a config with the weights of its file; raises RequestError where they do not fit."""
    assert config.weights is not None
    assert config.architecture is not None
    shape, classes = header.shape, len(header.classes)
    seen = shape if config.size is None else (shape[0], config.size, config.size)
    core = foreign.core_of(config.architecture, seen, classes, config.parameters)
    state = state_files.read_state(Path(config.weights).expanduser())
    state_files.load_state(core, state, f"{config.architecture} of {classes} classes")
    model = foreign.foreign(config.architecture, core, shape, classes, config.size)
    own = (config.mean, config.std) if config.mean and config.std else (statistics["mean"], statistics["std"])
    if len(own[0]) not in (1, model.channels) or len(own[0]) != len(own[1]):
        raise ModelError(f"mean has {len(own[0])} values for {model.channels} channels: give one for each")
    given = (statistics["mean"], statistics["std"])
    model.normalise_by((list(own[0]), list(own[1])), given)
    foreign.try_out(model, shape, classes)
    return model


def on_images(
    model: foreign.Foreign, config: ImportTeacherCommand, at: DatasetAt, whole: common.DeviceDataset, device: Device
) -> Checked:
    """Return the accuracy on the images held out, else on the test images, else on those that train."""
    _, held_out = common.split(at, whole.labels.cpu().numpy())
    if len(held_out):
        called, part = "held-out images", whole.part(held_out)
    else:
        called, part = test_images(at, whole, device) or ("training images", whole)
    logits, _ = common.predict(common.placed(model, device), part, device)
    return better_than_chance(str(config.weights), called, logits.numpy(), part.labels.cpu().numpy(), part.header)


def test_images(at: DatasetAt, whole: common.DeviceDataset, device: Device) -> tuple[str, common.DeviceDataset] | None:
    """Return the first of a dataset's test sets that is there, and its name."""
    for name in at.dataset.test_sets:
        if name in HUMAN_LABELS or names.missing_test_set(name, at):
            continue
        images = common.dataset_images(DatasetAt(names.test_dataset(name, at.dataset), at.outputs), "test")
        if images.header.classes == whole.header.classes and images.header.shape == whole.header.shape:
            statistics = {"mean": whole.mean.tolist(), "std": whole.std.tolist()}
            return test_set_name(name, at.dataset.plain()), common.on_device(images, statistics, device)
    return None


def read_file(config: ImportTeacherCommand, header: Header) -> answers.Answers:
    """Return the outputs in the file of a config, in the order of the training images."""
    assert config.predictions is not None

    def names_of() -> list[str]:
        where = config.dataset.reader_arguments(config.outputs)
        return data.image_names(config.dataset.name, "train", header.count, **where)

    return answers.read_answers(Path(config.predictions).expanduser(), header.count, header.classes, names_of)


def on_training(config: ImportTeacherCommand, at: DatasetAt, logits: np.ndarray, labels: np.ndarray) -> Checked:
    """Return the accuracy of outputs on the training images."""
    header = names.dataset_header(at)
    return better_than_chance(str(config.predictions), "training images", logits, labels, header)


def better_than_chance(file: str, called: str, logits: np.ndarray, labels: np.ndarray, header: Header) -> Checked:
    """Return an accuracy; DataError unless it is above the share of the most frequent class by SPREAD errors."""
    accuracy, count = float((logits.argmax(1) == labels).mean()), len(labels)
    chance = float(np.bincount(labels).max()) / count
    if not accuracy > chance + SPREAD * math.sqrt(chance * (1 - chance) / count):
        order = ", ".join(header.classes[:5]) + (", ..." if len(header.classes) > 5 else "")
        raise DataError(
            f"{file}: accuracy {100 * accuracy:.1f} % on {count:,} {called}, no better than chance "
            f"({100 * chance:.1f} %): its classes are to be {order}, and mean=, std= and size= as it was trained with"
        )
    return Checked(f"{count:,} {called}", accuracy)


def digest_of(logits: np.ndarray) -> str:
    """Return the SHA-256 of logits [N,K]."""
    return hashlib.sha256(f"{logits.shape}".encode() + logits.astype("<f4").tobytes()).hexdigest()


def came_from(config: ImportedConfig, found: Checked) -> str:
    """Return where an imported teacher came from and how it was checked, in words."""
    what = f"weights of {config.imported.architecture}" if config.imported.form == "weights" else "outputs"
    accuracy = f"accuracy {100 * found.accuracy:.2f} % on {found.images}"
    return f"imported as {config.imported.name}: {what} from {config.imported.file}; {accuracy}"


def read_as(read: answers.Answers) -> str:
    """Return how a file of outputs was read, in words."""
    return f"read as {read.were}, rows by {read.ordered_by}"


def refuse_taken_name(name: str, ref: Ref, store: RunStore) -> None:
    """Raise RunError where another imported teacher has the name."""
    for run in store.all("teacher"):
        if run.imported_name == name and run.id != ref.id:
            raise RunError(f"name={name} is that of {run.path.name}: choose another, or {removal(run.path)}")


def find(config: ImportedConfig) -> Run:
    """Return the run of an imported teacher; RunError, with what makes it, where it is not there."""
    store = RunStore(Path(config.outputs))
    header = names.dataset_header(DatasetAt(config.dataset, config.outputs))
    found = store.find(imported_ref(config, header.fingerprint))
    if found is None:
        about = config.imported
        raise RunError(f"the imported teacher {about.name} is not there: augdistill import-teacher name={about.name}")
    return found


def stored_outputs(run: Run, count: int, classes: int) -> np.ndarray | None:
    """Return the logits [N,K] that a teacher is known by, None for one that has weights."""
    about = run.config
    if not isinstance(about, ImportedConfig) or about.imported.form == "weights":
        return None
    return folders.stored_logits(run, LOGITS, count, classes)
