"""What strategies, models, test sets and metrics are called on the page, in tables and in figures."""

import re
from collections.abc import Mapping
from typing import Any

from augdistill.augment import AUGMENTATIONS
from augdistill.data import DATASETS
from augdistill.losses import LOSSES
from augdistill.metrics import METRICS, Metric
from augdistill.metrics.shifted import entry_under
from augdistill.models import MODELS

ARMS = {"baseline": "Baseline", "labels": "Labels only"}  # that are no strategy
PUBLISHED = {"cifar10-c": "CIFAR-10-C", "cifar100-c": "CIFAR-100-C"}
UNDER = {"made-corruptions": "made corruptions", "fgsm": "FGSM", "pgd": "PGD", "pgd-l2": "PGD, L2"}
SPLITS = {"distillation": "Distillation set", "validation": "Validation split"}  # that are no test set of a dataset
VARIED = {
    "distillation.temperature": "T = {}",
    "distillation.alpha": "α = {}",
    "distillation.label_weight": "label weight {}",
    "distillation.mixed_labels=mixed": "mixed labels",
    "distillation.mixed_labels=teacher-only": "mixed images labelled by the teacher alone",
    "distillation.mixed_labels=none": "no labels",
    "distillation.inputs=both": "original and augmented images",
    "distillation.sd": "s.d. {}",
    "distillation.loss": "{}",
    "distillation.loss.reduction=elementwise": "KL averaged over classes",
    "distillation.loss.reduction=batchmean": "KL summed over classes",
    "distillation.transform=none": "teacher’s logits as they are",
    "distillation.transform=rescale": "teacher’s logits rescaled to the baseline’s s.d.",
    "distillation.transform=zscore": "teacher’s logits z-scored",
    "distillation.transform=class-mean": "teacher’s class means",
    "distillation.teacher_weights=untrained": "untrained teacher",
    "optim.clip_norm=None": "no clipping",
    "optim.clip_norm": "gradients clipped at {}",
    "optim.warmup_epochs=0": "no warm-up",
    "optim.warmup_epochs=1": "warm-up of 1 epoch",
    "optim.warmup_epochs": "warm-up of {} epochs",
    "optim.lr": "student’s learning rate {}",
    "optim.lr_factor": "student’s learning rate × {}",
    "optim.epochs": "student’s epochs {}",
    "teacher_optim.epochs": "teacher’s epochs {}",
    "teacher_optim.stop_accuracy": "teacher stopped at accuracy {}",
    "dataset.validation": "{} images held out",
}
"""What a grid changes, or a value of it -> how that is written."""
CLASS_ACCURACY = "class_accuracy["  # how the accuracy within one class begins, which has no entry of its own
FINE = ("mnist-test",)
"""Test sets on which accuracies differ in the fourth decimal."""


def strategy(name: str) -> str:
    """Return a stack of strategies in words: Flip + crop, then CutMix."""
    return ", ".join(ARMS.get(part) or label_in(AUGMENTATIONS, part) for part in name.split("+"))


def label_in(table: Mapping[str, Any], name: str) -> str:
    """Return what a table's entry is called; its name where it is not there, as of a plugin that is not installed."""
    return str(table[name].label) if name in table else name


def variant(name: str) -> str:
    """Return a cell of a grid in words: "distillation.temperature=4,optim.lr_factor=2" changes T and the rate."""
    words = []
    for part in re.split(r",(?=[\w.-]+=)", name):
        key, _, value = part.partition("=")
        strategy_key = re.fullmatch(r"aug\.ops\.([\w-]+)\.(\w+)", key)
        if strategy_key:
            own = "hard labels" if part.endswith(".labels=hard") else f"{strategy_key[2]} {value}"
            words.append(f"{strategy(strategy_key[1])} with {own}")
        else:
            value = label_in(LOSSES, value) if key == "distillation.loss" else value
            words.append(VARIED.get(part, VARIED.get(key, f"{key} = {{}}")).format(value))
    return ", ".join(words) if name else "as configured"


def key(name: str) -> str:
    """Return what a key of a grid is called, as an axis has it: "distillation.temperature" is T."""
    return VARIED.get(name, name).replace("{}", "").strip(" =×")


def model(name: str) -> str:
    """Return a model's name as it is written."""
    return label_in(MODELS, name)


def names() -> dict[str, str]:
    """Return what every strategy and model is called, by its name."""
    return {"baseline": ARMS["baseline"]} | {
        name: label_in(table, name) for table in (AUGMENTATIONS, MODELS) for name in table
    }


def test_set(name: str) -> str:
    """Return a test set's name as it is written."""
    known = SPLITS | PUBLISHED | {dataset.TEST_SET: dataset.LABEL for dataset in DATASETS.values()}
    own, shifted, under = name.partition("+")
    if shifted and own in known:
        beside = under.removeprefix("unknown-")
        return f"{known[own]} beside {beside}" if beside != under else f"{known[own]}, {UNDER.get(under, under)}"
    return known.get(name, name.removesuffix("-test").removeprefix("image-folder-"))


test_set.__test__ = False  # type: ignore[attr-defined]  # no test, whatever its name


def metric(name: str) -> str:
    """Return a metric's name as it is written."""
    return entry(name).label.replace(" - ", " − ")


def column(name: str) -> str:
    """Return a metric's name as it stands over a column, with the unit where that is percent."""
    return with_percent(metric(name), name)


def with_percent(text: str, name: str) -> str:
    """Return words about a metric with the unit where that is percent."""
    return f"{text}, %" if entry(name).percent else text


def scale(name: str) -> int:
    """Return by what a metric's values are multiplied where they are shown: 100 for percent."""
    return 100 if entry(name).percent else 1


def entry(name: str) -> Metric:
    """Return a metric's entry; of one that has none, as the accuracy within one class, what tables assume."""
    known = METRICS.get(name) or entry_under(name)
    return known or Metric(name, "", None, lambda p: float("nan"), percent=name.startswith(CLASS_ACCURACY))


def digits(name: str, where: str) -> int:
    """Return the decimals with which a metric is printed, in percent where that is its unit."""
    places = max(0, entry(name).digits - 2) if entry(name).percent else entry(name).digits
    return places + (where in FINE and entry(name).better is not None)


def number(value: float, places: int, *, signed: bool = False) -> str:
    """Return a number with a real minus sign, "–" if undefined."""
    if value != value:
        return "–"
    text = f"{value:{'+' if signed else ''}.{places}f}"
    return text.replace("-", "−")
