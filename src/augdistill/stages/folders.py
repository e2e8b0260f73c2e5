"""What a run's folder holds and its manifest says: weights, arrays, history, facts, provenance."""

import csv
import io
import logging
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from augdistill import plugins
from augdistill.base.errors import RunError
from augdistill.base.files import write_atomic
from augdistill.base.reading import MAX_FILE, opened, read_array, read_arrays, tensors_header
from augdistill.base.text import now, removal
from augdistill.config import Config
from augdistill.config.jobs import ModelConfig, RunConfig
from augdistill.data import Header, as_found
from augdistill.stages.common import MODELS, DeviceDataset, predict, statistics_of
from augdistill.store.evaluations import WEIGHTS
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from augdistill.training.device import Device

log = logging.getLogger("augdistill")

MOST_ROWS = 2**16  # of logits whose number no dataset tells: a teacher's probe has 256
VALIDATION = "validation.npz"
MAX_WEIGHTS_HEADER = 2**20  # bytes; a ResNet18's has some 12,000


def save_weights(folder: Path, model: nn.Module) -> None:
    """Write a model's state as safetensors, atomically."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_atomic(folder / WEIGHTS, save(state))


def load_model(run: Run, build: Callable[[], nn.Module]) -> nn.Module:
    """Return the model that `build` makes by a run's config, with the run's weights.

    Raises RunError, before memory is taken, where the weights are of another model.
    """
    with torch.device("meta"):
        check_weights(run, build())
    model = build()
    load_weights(run, model)
    return model


def check_has_weights(run: Run) -> None:
    """Raise RunError unless a run is a finished teacher or student whose weights are there."""
    if run.kind not in MODELS:
        raise RunError(f"{run.path.name} holds no model: name a {' or a '.join(MODELS)}")
    if run.status != "finished":
        raise RunError(f"{run.path.name} {run.status}: it has no weights")
    if WEIGHTS not in run.manifest.files:
        raise RunError(f"{run.path.name} is known by its outputs alone: it has no weights")


def check_weights(run: Run, model: nn.Module) -> None:
    """Raise RunError unless a run's weights have the names and shapes of a model, which may have no memory."""
    wanted = {name: list(value.shape) for name, value in model.state_dict().items()}
    try:
        with opened(run.path / WEIGHTS, MAX_FILE) as file:
            header = tensors_header(file.read(MAX_WEIGHTS_HEADER))
        found = {name: about["shape"] for name, about in header.items() if name != "__metadata__"}
    except FileNotFoundError:
        run.file(WEIGHTS)  # which says so
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        found = {}
    if wanted != found:
        raise RunError(f"{run.path / WEIGHTS} does not hold the model of its config: {removal(run.path)}")


def load_weights(run: Run, model: nn.Module) -> None:
    """Load a run's weights, whose checksum must hold, into the model its config describes; raises RunError."""
    damaged = f"{run.path / WEIGHTS} does not hold the model of its config: {removal(run.path)}"
    check_weights(run, model)
    try:
        state = load_file(run.file(WEIGHTS))
    except (SafetensorError, KeyError, ValueError, TypeError, OSError, RuntimeError, MemoryError):
        raise RunError(damaged) from None
    wanted = {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}
    found = {name: (value.shape, value.dtype) for name, value in state.items()}
    if wanted != found:
        raise RunError(damaged)
    if not all(value.isfinite().all() for value in state.values()):
        raise RunError(f"{run.path / WEIGHTS} holds NaN or infinite weights: {removal(run.path)}")
    model.load_state_dict(state)


def save_array(path: Path, values: np.ndarray) -> None:
    """Write one array as .npy, atomically."""
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    write_atomic(path, content.getvalue())


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as .npz, atomically."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_atomic(path, content.getvalue())


def stored_logits(run: Run, name: str, rows: int | None, classes: int) -> np.ndarray:
    """Return one of a run's arrays, float32 [rows, classes], of any length if `rows` is None; raises RunError."""
    path, advice = run.file(name), removal(run.path)

    def check_shape(name: str, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[1] != classes or shape[0] > (MOST_ROWS if rows is None else rows):
            raise ValueError(f"shape {shape}")

    values = read_array(path, advice, check_shape)
    fits = values.ndim == 2 and values.shape == (len(values) if rows is None else rows, classes)
    if not fits or values.dtype != np.float32 or not len(values) or not np.isfinite(values).all():
        raise RunError(f"{path} does not hold finite logits of {classes} classes: {advice}")
    return values


def stored_predictions(run: Run, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of one of a run's .npz files, `logits` [N,K] and `labels` [N] among them; raises RunError."""
    path = run.file(name)
    arrays = read_arrays(path, removal(run.path))
    logits, labels = arrays.get("logits", np.empty(0)), arrays.get("labels", np.empty(0))
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or logits.dtype.kind != "f" or labels.dtype.kind != "i":
        raise RunError(f"{path} does not hold logits and labels: {removal(run.path)}")
    return arrays


def save_validation(folder: Path, model: nn.Module, held_out: DeviceDataset, device: Device) -> None:
    """Keep a run's logits on its validation split, on which temperatures are fitted."""
    if len(held_out.images):
        logits, _ = predict(model, held_out, device)
        save_arrays(folder / VALIDATION, {"logits": logits.numpy(), "labels": held_out.labels.cpu().numpy()})


def write_history(folder: Path, rows: list[dict[str, float]]) -> None:
    """Write one row per epoch as history.csv."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(folder / "history.csv", text.getvalue().encode())


def publish(store: RunStore, ref: Ref, status: str, config: Config, made: dict[str, Any], **facts: Any) -> Run:
    """Write a run's config, JSON, as config.yaml and, last, its manifest, in which data lie at absolute paths."""
    config, folder = {**config, "dataset": as_found(config["dataset"])}, store.folder(ref)
    write_atomic(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(config)).encode())
    run = store.publish(ref, status, config, made, **facts)
    log.info("%s %s in %.1f s", ref.folder, status, made["seconds"])
    return run


def publish_model(
    store: RunStore,
    ref: Ref,
    config: ModelConfig,
    header: Header,
    history: list[dict[str, float]],
    timing: "RunTiming",
    parents: dict[str, str],
    *,
    diverged: bool,
    **found: Any,
) -> Run:
    """Write a model's history and publish it; of one that diverged no epoch counts."""
    write_history(store.folder(ref), history)
    valid = [] if diverged else history
    made = provenance(timing, parents, notes(header, config, valid))
    said = facts(config, header, valid) | found
    return publish(store, ref, "diverged" if diverged else "finished", config.plain(), made, **said)


def facts(config: ModelConfig, training: Header, history: list[dict[str, float]]) -> dict[str, Any]:
    """Return what a manifest says of a model's data, enough to evaluate it without them, and its last validation."""
    known = {"shape": training.shape, "classes": training.classes, "statistics": statistics_of(config, training)}
    last = history[-1] if history else {}
    return {**known, **{key: last[key] for key in ("validation_accuracy",) if key in last}}


def notes(header: Header, config: RunConfig, history: Sequence[Mapping[str, float]] = ()) -> list[str]:
    """Return what a reader must know: unverified or partial data, selection by the test set, a target not reached."""
    found = [] if header.verified else [f"{header.name}: the publisher's checksums were not verified"]
    if header.note:
        found.append(f"{header.name}: {header.note}")
    if not isinstance(config, ModelConfig):
        return found
    if config.optim.select != "last":
        best = "lowest test loss" if config.optim.select == "best-test-loss" else "best test accuracy"
        found.append(f"the weights kept are those of the epoch with the {best}")
    target = config.optim.stop_accuracy
    if target is not None and history and history[-1]["validation_accuracy"] < target:
        found.append(f"optim.stop_accuracy={target:g} was not reached in all of its epochs")
    return found


class RunTiming(NamedTuple):
    """How a run was made: where, since when, in how many seconds, and beside which other students, by folder."""

    device: Device
    began: str
    seconds: float
    bank: Sequence[str] = ()


def provenance(made: RunTiming, parents: dict[str, str], notes: list[str]) -> dict[str, Any]:
    """Return what a manifest records of how a run came about."""
    return {
        "versions": versions(),
        "git_commit": git_commit(),
        **made.device.facts(),
        "began": made.began,
        "ended": now(),
        "seconds": round(made.seconds, 3),
        "parents": parents,
        **({"bank": list(made.bank)} if made.bank else {}),
        "notes": notes,
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide results, plugins that are used among them."""
    found = {**plugins.distributions(), "python": platform.python_version()}
    for name in ("augdistill", "torch", "torchvision", "numpy", "scipy", "scikit-learn"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def git_commit() -> str | None:
    """Return the commit of the checkout that this package runs from, with "+" if it was changed; None if installed."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        described = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
