"""The schema: what a job's config may hold, and which of its fields decide a result.

A config is a plain dictionary, composed from `conf/` (values) and held against this schema by `checking`. What is
common to all datasets, models and strategies is a dataclass; the parameters of one of them are the keyword arguments of
its function and stand, all of them, in its YAML file, against which unknown keys are checked. Nothing here is ever
instantiated by an import path, so a config that came with a run folder is only data.
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from augdistill.errors import ConfigError

Config = dict[str, Any]


def conf_dir() -> Path:
    """Return the folder of the YAML files: inside an installed package, else at the top of the checkout."""
    installed = Path(__file__).parent / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conf"


def require(holds: bool, key: str, value: object, allowed: str) -> None:
    """Raise ConfigError unless `holds`, naming the key, the value and what is allowed."""
    if not holds:
        raise ConfigError(f"{key}={value} is out of range: {allowed}")


def one_of(key: str, value: str, allowed: Collection[str]) -> None:
    """Raise ConfigError unless `value` is among `allowed`."""
    if value not in allowed:
        raise ConfigError(f"{key}={value} is unknown{nearest(value, allowed)}: choose one of {', '.join(allowed)}")


def nearest(word: str, known: Collection[str]) -> str:
    """Return ' (did you mean X?)' for the known word closest to `word`, or nothing."""
    close = difflib.get_close_matches(str(word), known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def checkpoint_every(text: str) -> tuple[float, float]:
    """Return minutes and epochs between checkpoints: of "5min" (5, inf), of "2epochs" (inf, 2); else ConfigError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)min|([1-9][0-9]*)epochs?", text)
    require(found is not None, "runtime.checkpoint_every", text, "minutes or whole epochs, as in 5min, 0.5min, 1epoch")
    assert found is not None
    return float(found[1] or math.inf), float(found[2] or math.inf)


@dataclass
class Dataset:
    """What every dataset has; `mean` and `std` are per channel in 0..1, None as measured on the training set."""

    name: str = MISSING
    root: str = "data"
    verify: bool = True
    mean: list[float] | None = None
    std: list[float] | None = None
    validation: int = 0
    test_sets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        require(self.validation >= 0, "dataset.validation", self.validation, "a number of images, 0 or more")
        require((self.mean is None) == (self.std is None), "dataset.mean", self.mean, "give mean and std, or neither")
        if self.std is not None:
            require(min(self.std) > 0, "dataset.std", self.std, "above 0")


@dataclass
class Optim:
    """SGD and its schedule. Rates are per step, lengths in epochs; `clip_norm` is None or a gradient norm.

    `stop_accuracy` is None or the validation accuracy at whose first epoch training ends; the schedule stays as it is.
    """

    epochs: int = MISSING
    batch_size: int = 128
    lr: float = MISSING
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    schedule: str = "cosine"
    milestones: list[int] = field(default_factory=list)
    gamma: float = 0.1
    warmup_epochs: float = 0.0
    clip_norm: float | None = None
    select: str = "last"
    stop_accuracy: float | None = None

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "optim.epochs", self.epochs, "1 or more")
        require(self.batch_size >= 1, "optim.batch_size", self.batch_size, "1 or more")
        require(0 < self.lr < 1e3, "optim.lr", self.lr, "above 0 and below 1000")
        require(0 <= self.momentum < 1, "optim.momentum", self.momentum, "at least 0 and below 1")
        require(not self.nesterov or self.momentum > 0, "optim.nesterov", self.nesterov, "needs momentum above 0")
        require(self.weight_decay >= 0, "optim.weight_decay", self.weight_decay, "0 or more")
        one_of("optim.schedule", self.schedule, ("cosine", "multistep", "constant"))
        require(self.milestones == sorted(set(self.milestones)), "optim.milestones", self.milestones, "rising epochs")
        require(self.gamma > 0, "optim.gamma", self.gamma, "above 0")
        require(0 <= self.warmup_epochs <= self.epochs, "optim.warmup_epochs", self.warmup_epochs, "0 to optim.epochs")
        require(self.clip_norm is None or self.clip_norm > 0, "optim.clip_norm", self.clip_norm, "null or above 0")
        one_of("optim.select", self.select, ("last", "best-test"))
        stop = self.stop_accuracy
        require(stop is None or 0 < stop <= 1, "optim.stop_accuracy", stop, "null or a share above 0, at most 1")


@dataclass
class Distillation:
    """How a student learns from a teacher; `alpha` weights the KD term, 0 trains on labels alone."""

    alpha: float = 0.5
    temperature: float = 20.0
    reduction: str = "batchmean"
    view: str = "same"
    transform: str = "none"
    sd: float | None = None
    teacher: str | None = None
    teacher_weights: str = "trained"

    def __post_init__(self) -> None:
        require(0 <= self.alpha <= 1, "distillation.alpha", self.alpha, "0 to 1")
        require(self.temperature > 0, "distillation.temperature", self.temperature, "above 0")
        one_of("distillation.reduction", self.reduction, ("batchmean", "elementwise"))
        one_of("distillation.view", self.view, ("same", "clean", "independent"))
        one_of("distillation.transform", self.transform, ("none", "rescale", "zscore", "class-mean"))
        require(
            self.sd is None or (self.sd > 0 and self.transform == "rescale"),
            "distillation.sd",
            self.sd,
            "null, or with distillation.transform=rescale the wanted standard deviation, above 0",
        )
        one_of("distillation.teacher_weights", self.teacher_weights, ("trained", "untrained"))


@dataclass
class Runtime:
    """Where and how a job runs; only `precision` (as asked for) enters a run's identity."""

    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    deterministic: bool = False
    checkpoint_every: str = "5min"
    cuda_graphs: str = "auto"

    def __post_init__(self) -> None:
        self.cuda_graphs = self.cuda_graphs.lower()  # YAML's true has become "True"
        one_of("runtime.device", self.device, ("auto", "cpu", "cuda"))
        one_of("runtime.precision", self.precision, ("auto", "fp32", "bf16"))
        require(1 <= self.threads <= 1024, "runtime.threads", self.threads, "1 or more")
        checkpoint_every(self.checkpoint_every)
        one_of("runtime.cuda_graphs", self.cuda_graphs, ("auto", "true", "false"))
        if self.cuda_graphs == "true" and self.device == "cpu":
            raise ConfigError("runtime.cuda_graphs=true, but this job runs on a CPU: runtime.cuda_graphs=auto or false")


SCHEMAS: dict[str, type] = {
    "dataset": Dataset,
    "optim": Optim,
    "teacher_optim": Optim,
    "distillation": Distillation,
    "runtime": Runtime,
}
OPEN_GROUPS = {"dataset": "dataset", "teacher": "teacher", "student": "student"}  # key -> folder of conf/
SECOND_PLACES = {"student_aug": "aug", "teacher_optim": "optim"}  # key -> folder; an override says FOLDER@KEY=CHOICE
AUG_KEYS = ("aug", "student_aug")
KEYS = {
    "teacher": ("seed", "outputs", "dataset", "aug", "teacher", "optim", "runtime"),
    "student": (
        *("seed", "outputs", "dataset", "aug", "teacher", "teacher_optim", "teacher_seed"),
        *("student", "student_aug", "distillation", "optim", "runtime"),
    ),
}


@cache
def choices(group: str) -> tuple[str, ...]:
    """Return the names of the YAML files of one folder of `conf/`."""
    return tuple(sorted(path.stem for path in (conf_dir() / SECOND_PLACES.get(group, group)).glob("*.yaml")))


@cache
def parameters(group: str, name: str) -> Mapping[str, Any]:
    """Return the parameters, with defaults, that `conf/GROUP/NAME.yaml` lists beside the keys all of its group have."""
    one_of(group, name, choices(group))
    loaded = OmegaConf.to_container(OmegaConf.load(conf_dir() / group / f"{name}.yaml"))
    assert isinstance(loaded, dict)
    if group == "aug":
        return dict(loaded["ops"][name])
    common = {item.name for item in fields(Dataset)} if group == "dataset" else {"name"}
    return {str(key): value for key, value in loaded.items() if key not in common}


def ops_list(aug: Mapping[str, Any]) -> list[list[Any]]:
    """Return the strategies of an `aug` group as an ordered list of [name, parameters]."""
    return [[name, dict(values)] for name, values in aug["ops"].items()]


def aug_name(aug: Mapping[str, Any]) -> str:
    """Return the name of a stack of strategies: "baseline" if empty, else their names joined with "+"."""
    return "+".join(aug["ops"]) or "baseline"


def model_parameters(model: Mapping[str, Any]) -> Config:
    """Return a model's keyword arguments: its group without the name."""
    return {key: value for key, value in model.items() if key != "name"}


def reader_parameters(dataset: Mapping[str, Any]) -> Config:
    """Return the keyword arguments of a dataset's reader: its group without the keys that all datasets have."""
    common = {item.name for item in fields(Dataset)}
    return {key: value for key, value in dataset.items() if key not in common}


def reader_arguments(dataset: Mapping[str, Any], outputs: str) -> Config:
    """Return the keyword arguments that open a dataset: where it lies, its cache, its reader's parameters."""
    where = {"root": Path(dataset["root"]), "cache": Path(outputs) / "cache", "verify": dataset["verify"]}
    return {**where, **reader_parameters(dataset)}
