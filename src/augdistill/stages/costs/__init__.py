"""What it costs to run a network: its size, and its latency and throughput on one thread of this CPU."""

import time
from dataclasses import asdict
from pathlib import Path

import torch

from augdistill.base.text import now
from augdistill.config.jobs import CostsConfig
from augdistill.models.costs import BATCH, multiply_accumulates, speed_of
from augdistill.stages import classifier, evaluation, folders, making
from augdistill.store.evaluations import WEIGHTS
from augdistill.store.identity import Ref, costs_ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.device import resolve

SECONDS = 0.5  # of each measurement


def run(config: CostsConfig, wait: bool = True, planned: str | None = None) -> Run:
    """Return what the network of a run costs, measured unless it was; RunError for a run without weights."""
    store = RunStore(Path(config.outputs))
    subject = evaluation.model_run(store, config.run)
    ref = costs_ref(subject.config, subject.manifest.document.data)
    return making.find_or_make(ref, store, wait, planned, lambda folder: measure(config, subject, ref, store))


def measure(config: CostsConfig, subject: Run, ref: Ref, store: RunStore) -> Run:
    """Measure and publish what a network costs from bytes to logits, in PyTorch and float32."""
    began, clock = now(), time.monotonic()
    device = resolve("cpu", "fp32", config.runtime.threads)
    model = classifier.load_model(subject)
    image = torch.zeros(1, *model.image_shape, dtype=torch.uint8)
    with torch.no_grad():
        speed = speed_of(model, image, image.repeat(BATCH, 1, 1, 1), SECONDS)
    facts = {
        "parameters": sum(value.numel() for value in model.model.parameters()),
        "macs": multiply_accumulates(model, image),
        "bytes": (subject.path / WEIGHTS).stat().st_size,
        **asdict(speed),
    }
    made = folders.RunTiming(device, began, time.monotonic() - clock)
    provenance = folders.provenance(made, {}, [])
    asked = {**config.plain(), "dataset": subject.config.dataset.plain()}
    return folders.publish(store, ref, "finished", asked, provenance, **facts)
