"""Teacher outputs: a teacher's logits on the whole training set, computed once and read by all of its students."""

import logging
import time
from pathlib import Path

import numpy as np
from torch import nn

from augdistill.base.files import write_json
from augdistill.base.text import now
from augdistill.config.jobs import HasDataset, StudentConfig
from augdistill.metrics import score
from augdistill.stages import common, folders, imported, making, names, teacher
from augdistill.store.evaluations import METRICS_FILE
from augdistill.store.identity import Ref, outputs_ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.device import Device, resolve

log = logging.getLogger(__name__)

LOGITS = "logits.npy"


def run(config: StudentConfig, teacher_run: Run, wait: bool = True, planned: str | None = None) -> Run:
    """Return the outputs of `teacher_run` that a student reads, computing them if need be."""
    store = RunStore(Path(config.outputs))
    ref = outputs_ref(teacher_run.ref, config, names.dataset_header(config).fingerprint)
    return making.find_or_make(
        ref, store, wait, planned, lambda folder: compute(config, teacher_run, ref, store, folder)
    )


def compute(config: StudentConfig, teacher_run: Run, ref: Ref, store: RunStore, folder: Path) -> Run:
    """Compute, describe and publish the logits float32 [N,K] of all N training images, in their order."""
    began, clock, runtime = now(), time.monotonic(), config.runtime
    device = resolve(runtime.device, runtime.precision, runtime.threads, runtime.deterministic)
    images = common.dataset_images(config, fingerprint=ref.document["data"])
    logits = imported.stored_outputs(teacher_run, images.header.count, len(images.header.classes))
    if logits is None:
        data = common.on_device(images, common.statistics_of(config, images.header), device)
        model = load(config, teacher_run, data, device)
        logits = common.predict(model, data, device)[0].numpy()
    folders.save_array(folder / LOGITS, logits)
    rows, _ = common.split(config, images.labels)
    scores = score(logits[rows], images.labels[rows], outputs=True)
    write_json(folder / METRICS_FILE, scores.to_json())
    made = folders.RunTiming(device, began, time.monotonic() - clock)
    made_from = {"teacher": teacher_run.path.name}
    provenance = folders.provenance(made, made_from, folders.notes(images.header, config))
    return folders.publish(store, ref, "finished", config.plain(), provenance)


def load(config: StudentConfig, teacher_run: Run, data: common.DeviceDataset, device: Device) -> nn.Module:
    """Return the teacher, or with teacher_weights=untrained the network it began as (what the authors' code did)."""
    if config.distillation.teacher_weights == "trained":
        return teacher.load(teacher_run, data, device)
    log.warning("distillation.teacher_weights=untrained: the student learns from a network that was never trained")
    model = making.build(teacher_run.config, data.header.shape, len(data.header.classes))
    return common.placed(model, device).requires_grad_(False).eval()


def logits(config: HasDataset, outputs: Run) -> np.ndarray:
    """Return the stored logits, float32 [N,K], of a student's training images."""
    images = names.dataset_header(config)
    return folders.stored_logits(outputs, LOGITS, images.count, len(images.classes))
