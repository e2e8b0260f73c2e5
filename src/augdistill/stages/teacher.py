"""Train a teacher: a network on one dataset, under one stack of strategies, from one seed."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from augdistill.base import signals
from augdistill.base.errors import DivergedError, RunError
from augdistill.base.text import now, removal
from augdistill.config.jobs import ImportedConfig, TeacherConfig
from augdistill.stages import common, folders, making, names
from augdistill.stages.refusals import validate
from augdistill.store.identity import Ref, teacher_ref
from augdistill.store.runs import Run, RunStore
from augdistill.trackers import Tracking
from augdistill.training.batches import TrainingSet, one_hot
from augdistill.training.checkpoint import drop_checkpoints
from augdistill.training.device import Device
from augdistill.training.loop import Task, fit

log = logging.getLogger(__name__)

PROBE_FILE = "probe.npy"
PROBE = 256  # images on which a loaded teacher proves itself
PROBE_DISTANCE = 0.2  # elsewhere, of its logits, relative to their norm; another precision is some percent
PROBE_AGREEMENT = 0.98  # elsewhere than where it was trained; bf16 against fp32 flips 0.3 % of predictions


def run(
    config: TeacherConfig | ImportedConfig,
    wait: bool = True,
    planned: str | None = None,
    trackers: Sequence[str] = (),
) -> Run:
    """Return the finished teacher of a config, training it if it is not there yet; one from elsewhere has to be."""
    if isinstance(config, ImportedConfig):
        from augdistill.stages import imported

        return imported.find(config)
    device = common.device_of(config.runtime)
    header = validate(config)
    ref, store = teacher_ref(config, header.fingerprint), RunStore(Path(config.outputs))

    def make(folder: Path) -> Run:
        with signals.stop_on_signal() as stop, making.tracking(trackers, ref, config, store) as track:
            made = train(config, ref, store, folder, device, stop, track)
            track.status = made.status
        return made

    return making.find_or_make(ref, store, wait, planned, make, lambda: names.test_sets(config, header))


def train(
    config: TeacherConfig,
    ref: Ref,
    store: RunStore,
    folder: Path,
    device: Device,
    stop: signals.StopRequest,
    track: Tracking | None = None,
) -> Run:
    """Train, prove and publish the teacher in its folder."""
    began, clock = now(), time.monotonic()
    data = common.train_val_split(config, ref.document["data"], device)
    header = data.images.header
    model = common.placed(making.build(config, header.shape, len(header.classes)), device)
    log.info("%s: %d images, %s", ref.folder, len(data.rows), common.describe_device(device))
    task = Task(
        model=model,
        training=training_set(data, device),
        loss=common.label_loss,
        ops=config.aug.listed(),
        recipe=config.optim.plain(),
        seed=config.seed,
        role="teacher",
    )
    title = f"{config.teacher.name} {config.aug.name}"
    diverged, history = False, []
    try:
        history = fit(task, device, folder, making.hooks_of(config, data, device, title, stop, track))
        folders.save_weights(folder, model)
        folders.save_validation(folder, model, data.held_out, device)
        write_probe(folder, model, data.images, device)
    except DivergedError as error:
        log.error("%s diverged: %s", ref.folder, error)
        diverged, history = True, error.history
    timing = folders.RunTiming(device, began, time.monotonic() - clock)
    run = folders.publish_model(store, ref, config, header, history, timing, {}, diverged=diverged)
    if not diverged:
        drop_checkpoints(folder)
    return run


def training_set(data: common.TrainValSplit, device: Device) -> TrainingSet:
    """Return the images that train, with one-hot targets [N,K]."""
    part = data.training
    targets = one_hot(part.labels, len(part.header.classes))
    return TrainingSet(part.images, targets, part.mean, part.std, device.memory_format)


def write_probe(folder: Path, model: nn.Module, data: common.DeviceDataset, device: Device) -> None:
    """Record the teacher's logits on the first training images, by which it proves itself when loaded."""
    logits, _ = common.predict(model, data.part(np.arange(min(PROBE, len(data.images)))), device)
    folders.save_array(folder / PROBE_FILE, logits.numpy())


def load(run: Run, data: common.DeviceDataset, device: Device) -> nn.Module:
    """Return a finished teacher on the device after it has proved itself.

    Raises RunError if it diverged, its weights do not match their checksum, or its logits on the probe are not those
    recorded (on the same device, precision and threads; elsewhere 98 % of its predictions must agree).
    """
    if run.status != "finished":
        raise RunError(f"{run.path.name} {run.status} and cannot teach: augdistill runs show {run.path.name}")
    model = folders.load_model(run, lambda: making.build(run.config, data.header.shape, len(data.header.classes)))
    model = common.placed(model, device).requires_grad_(False)
    recorded = torch.from_numpy(folders.stored_logits(run, PROBE_FILE, None, len(data.header.classes))[:PROBE].copy())
    logits, _ = common.predict(model, data.part(np.arange(len(recorded))), device)
    agreement = float((logits.argmax(1) == recorded.argmax(1)).double().mean())
    distance = float((logits - recorded).norm() / recorded.norm())
    made = run.manifest.provenance
    same_place = all(getattr(made, key, None) == value for key, value in device.facts().items())
    if agreement < PROBE_AGREEMENT or not distance <= (1e-3 if same_place else PROBE_DISTANCE):
        raise RunError(
            f"{run.path.name} does not answer as when it was trained ({agreement:.1%} of its predictions agree): "
            f"remove it with {removal(run.path)} and train it again"
        )
    return model
