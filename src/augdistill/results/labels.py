"""What strategies, models, test sets and metrics are called on the page, in tables and in figures."""

import re

from augdistill.metrics import METRICS

STRATEGIES = {
    "baseline": "Baseline",
    "flip-crop": "Flip + crop",
    "cutout": "Cutout",
    "mixup": "Mixup",
    "cutmix": "CutMix",
    "labels": "Labels only",
}
MODELS = {"resnet18": "ResNet18", "lenet": "LeNet", "alexnet": "AlexNet", "alexnet-small": "Small AlexNet"}
TEST_SETS = {
    "cifar10-test": "CIFAR-10",
    "cinic10-imagenet-test": "CINIC-10",
    "cifar10h": "CIFAR-10H",
    "mnist-test": "MNIST",
    "digits-test": "Digits",
    "distillation": "Distillation set",
    "validation": "Validation split",
}
VARIED = {
    "distillation.temperature": "T = {}",
    "distillation.alpha": "α = {}",
    "distillation.sd": "s.d. {}",
    "distillation.transform=rescale": "teacher’s logits rescaled to the baseline’s s.d.",
    "distillation.transform=zscore": "teacher’s logits z-scored",
    "distillation.transform=class-mean": "teacher’s class means",
    "distillation.teacher_weights=untrained": "untrained teacher",
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
    return ", ".join(STRATEGIES.get(part, part) for part in name.split("+"))


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
            words.append(VARIED.get(part, VARIED.get(key, f"{key} = {{}}")).format(value))
    return ", ".join(words) if name else "as configured"


def model(name: str) -> str:
    """Return a model's name as it is written."""
    return MODELS.get(name, name)


def test_set(name: str) -> str:
    """Return a test set's name as it is written."""
    return TEST_SETS.get(name, name.removesuffix("-test").removeprefix("image-folder-"))


test_set.__test__ = False  # type: ignore[attr-defined]  # no test, whatever its name


def metric(name: str) -> str:
    """Return a metric's name as it is written."""
    return METRICS[name].label.replace(" - ", " − ") if name in METRICS else name


def better(name: str) -> str | None:
    """Return "higher" or "lower", None where neither is better."""
    return METRICS[name].better if name in METRICS else None


def unit(name: str) -> str:
    """Return a metric's unit: share, nats, count or nothing."""
    return METRICS[name].unit if name in METRICS else ""


def is_percent(name: str) -> bool:
    """Say whether a metric is shown in percent, and its differences in percentage points."""
    return METRICS[name].percent if name in METRICS else name.startswith(CLASS_ACCURACY)


def digits(name: str, where: str) -> int:
    """Return the decimals with which a metric is printed."""
    places = METRICS[name].digits if name in METRICS else 3
    return places + (where in FINE and better(name) is not None)


def number(value: float, places: int, *, signed: bool = False) -> str:
    """Return a number with a real minus sign, "–" if undefined."""
    if value != value:
        return "–"
    text = f"{value:{'+' if signed else ''}.{places}f}"
    return text.replace("-", "−")
