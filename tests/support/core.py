"""Tiny real work for the tests of training and of the stages: a loop of 20 steps, jobs on scikit-learn's digits."""

import csv
import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from augdistill import models
from augdistill.base import signals
from augdistill.base.errors import StoppedError
from augdistill.base.files import checksum
from augdistill.base.reading import sha256
from augdistill.config.checking import check
from augdistill.config.jobs import StudentConfig, TeacherConfig
from augdistill.losses.shared import soft_cross_entropy
from augdistill.models.dropout import Dropout
from augdistill.stages import common, teacher
from augdistill.store import runs
from augdistill.store.runs import Run
from augdistill.training.batches import Batch, TrainingSet, one_hot, plan_epoch
from augdistill.training.device import Device, resolve
from augdistill.training.loop import Hooks, Task, fit
from composed import OF_COMMANDS
from composed import compose as from_conf

# 137 images train, 1,300 validate: five steps an epoch at batch 32, the last of them short.
TINY = ("dataset=digits", "dataset.validation=1300", "teacher.width=4", "runtime.precision=fp32", "runtime.threads=1")
RECIPE = ("epochs=3", "batch_size=32")
STRATEGIES = ("baseline", "flip-crop", "cutout", "mixup", "cutmix", "[flip-crop,cutmix]")

# The loop on its own: four steps an epoch, the last of five images.
COUNT, BATCH, EPOCHS = 29, 8, 5
STEPS = 4 * EPOCHS
MIXUP = [["mixup", {"alpha": 1.0, "prob": 1.0, "scope": "batch"}]]
LOOP_RECIPE: dict[str, Any] = {
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "lr": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-3,
    "schedule": "cosine",
    "milestones": [],
    "gamma": 0.1,
    "warmup_epochs": 0.0,
    "clip_norm": None,
    "select": "last",
    "stop_accuracy": None,
}


class DropsUnits(nn.Module):
    """A small model whose embedding drops units by the step's key, as AlexNet's does."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.drop, self.head = nn.Linear(256, 12), Dropout(0.5, layer=1), nn.Linear(12, 10)

    def forward(self, images: Tensor, key: int | Tensor | None = None) -> tuple[Tensor, Tensor]:
        embedding = self.drop(torch.tanh(self.hidden(images.flatten(1))), key)
        return self.head(embedding), embedding


def small_model(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Return "lenet", a narrow "resnet18" or a model that "drops" units, the same each time, channels last."""
    if name == "drops":
        found: nn.Module = DropsUnits()
        generator = torch.Generator().manual_seed(0)
        for parameter in found.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 10
    else:
        params = {"width": 2} if name == "resnet18" else {}
        found = models.build(name, (1, 16, 16), 10, seed=1, **params)
    return found.to(dtype, memory_format=torch.channels_last)


def small_set(dtype: torch.dtype = torch.float64) -> TrainingSet:
    """Return noise with labels, 29 grey images."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (COUNT, 1, 16, 16), dtype=np.uint8))
    labels = torch.from_numpy(rng.integers(0, 10, COUNT))
    mean, std = torch.tensor([[0.4], [0.3]], dtype=dtype)
    return TrainingSet(images, one_hot(labels, 10, dtype), mean, std)


def two_part_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy and a term of its own, so that the parts of the history differ."""
    ce = soft_cross_entropy(logits, batch.targets)
    kd = logits.square().mean()
    return torch.stack([0.75 * ce + 0.25 * kd, ce.detach(), kd.detach()])


def train(
    network: nn.Module, training: TrainingSet, folder: Path, recipe: dict[str, Any] | None = None, **how: Any
) -> list[dict[str, float]]:
    """Train by the loop; `how` holds ops, loss, device, or the hooks score, tell, stop, checkpoint_every."""
    loss, ops = how.pop("loss", two_part_loss), how.pop("ops", [])
    device = how.pop("device", None) or resolve("cpu", "fp32", 1)
    silent = {"score": lambda model: {}, "report": lambda epoch, row: None, "stop": lambda: False}
    task = Task(network, training, loss, ops, {**LOOP_RECIPE, **(recipe or {})}, 3, "teacher")
    return fit(task, device, folder, Hooks(**{**silent, "checkpoint_every": "60min", **how}))


@cache
def composed(command: str, words: tuple[str, ...]) -> str:
    """Return the JSON of a command's config as Hydra composes it from conf/."""
    return json.dumps(from_conf(command, *words))


def compose(command: str, *words: str) -> dict[str, Any]:
    """Return the config of a command, as the command line hands it to its stage."""
    config: dict[str, Any] = json.loads(composed(command, words))
    for key in OF_COMMANDS:  # of the command alone
        config.pop(key, None)
    return config


def typed(command: str) -> dict[str, Any]:
    """Return the config of a command as a message shows it: `augdistill train-teacher aug=...`."""
    program, name, *words = shlex.split(command)
    assert program == "augdistill"
    return compose(name, *words)


def teacher_config(outputs: Path, *words: str) -> TeacherConfig:
    """Return the config of a tiny teacher; `words` are overrides."""
    return check("teacher", teacher_values(outputs, *words))


def student_config(outputs: Path, *words: str) -> StudentConfig:
    """Return the config of a tiny student of a tiny teacher; `words` are overrides."""
    return check("student", student_values(outputs, *words))


def teacher_values(outputs: Path, *words: str) -> dict[str, Any]:
    """Return a tiny teacher's config before it is checked."""
    recipe = [f"optim.{value}" for value in RECIPE]
    return {**compose("train-teacher", *TINY, *recipe, *words), "outputs": str(outputs)}


def student_values(outputs: Path, *words: str) -> dict[str, Any]:
    """Return a tiny student's config before it is checked."""
    recipe = [f"{group}.{value}" for group in ("optim", "teacher_optim") for value in RECIPE]
    return {**compose("distill", *TINY, *recipe, *words), "outputs": str(outputs)}


@contextmanager
def stopping_after(steps: int) -> Iterator[None]:
    """Ask, through the loop's stop hook, to stop after so many steps."""

    class After:
        asked = 0

        def __call__(self) -> bool:
            self.asked += 1
            return self.asked >= steps

    @contextmanager
    def stop_on_signal() -> Iterator[After]:
        yield After()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "stop_on_signal", stop_on_signal)
        yield


def weights(run: Run | Path) -> dict[str, Tensor]:
    """Return a run's weights by name."""
    found: dict[str, Tensor] = load_file((run.path if isinstance(run, Run) else run) / "weights.safetensors")
    return found


def copied_without(outputs: Path, place: Path, kind: str) -> Path:
    """Copy an outputs folder without the runs of a kind."""
    return Path(shutil.copytree(outputs, place, ignore=shutil.ignore_patterns(f"{kind}-*")))


def fold(run: Run, threads: int = 1, precision: str = "fp32") -> tuple[common.DeviceDataset, Device]:
    """Return the training set of a run on the device, and the device."""
    device = resolve("cpu", precision, threads)
    images = common.dataset_images(run.config)
    return common.on_device(images, common.statistics_of(run.config, images.header), device), device


def load_teacher(run: Run, threads: int = 1, precision: str = "fp32") -> nn.Module:
    """Return a teacher as a student's stage loads it."""
    try:
        return teacher.load(run, *fold(run, threads, precision))
    finally:
        torch.set_num_threads(1)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Return whether two sets of tensors hold the same names and bits."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def spied_fit(module: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Return what the stage of `module` would train, instead of training it: task, first weights, orders of epochs."""
    seen: dict[str, Any] = {}

    def spy(task: Task, device: Any, folder: Path, hooks: Hooks) -> None:
        seen["task"], seen["weights"] = task, {name: value.clone() for name, value in task.model.state_dict().items()}
        who = (task.training, task.ops, task.seed, task.role)
        seen["orders"] = [plan_epoch(*who, epoch, 32, task.own_view).order.tolist() for epoch in (0, 1)]
        raise StoppedError("seen enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "fit", spy)
        with pytest.raises(StoppedError, match="seen enough"):
            module.run(config)
    return seen


def history(run: Run) -> list[dict[str, float]]:
    """Return a run's history without its time column."""
    with (run.path / "history.csv").open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert all(row.pop("images_per_second") > 0 for row in rows)
    return rows


def checkpoints(folder: Path) -> list[Path]:
    """Return a run's checkpoints, oldest first."""
    return sorted((folder / ".checkpoints").glob("*.safetensors"))


def checkpoint_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights in a checkpoint by name."""
    return {name.removeprefix("model."): value for name, value in load_file(path).items() if name.startswith("model.")}


def unfinished(outputs: Path) -> Path:
    """Return the folder of the one run that has no manifest."""
    (found,) = [path for path in (outputs / "runs").iterdir() if not (path / "manifest.json").exists()]
    return found


def predictions(run: Run) -> dict[str, np.ndarray]:
    """Return the arrays of an evaluation's predictions.npz."""
    with np.load(run.path / "predictions.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def flip_bit(path: Path, offset: int = -1) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def rewrite_manifest(run: Run, **changed: Any) -> None:
    """Write a run's manifest again, with its files' true checksums and with changes, as a forger would."""
    path = run.path / runs.MANIFEST
    manifest = json.loads(path.read_text())
    manifest["files"] = {name: sha256(run.path / name) for name in manifest["files"]}
    manifest |= changed
    path.write_text(json.dumps(manifest | {"checksum": checksum(manifest)}))


def rewrite_weights(run: Run, state: dict[str, Tensor]) -> None:
    """Put other weights into a run, checksums recomputed."""
    save_file(state, run.path / "weights.safetensors")
    rewrite_manifest(run)
