"""Checks of a config: what they complete and convert, and refusals: the key, what is allowed, the nearest key."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import core
from augdistill.base.errors import ConfigError, RequestError
from augdistill.config import parameters
from augdistill.config.checking import check, check_group

OPTIM = {"epochs": 3, "lr": 0.1}
DIGITS = {"name": "digits", "test_sets": ["digits"]}


def changed(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a copy of a config with the value at a dotted key replaced."""
    first, _, rest = key.partition(".")
    return {**config, first: changed(config[first], rest, value) if rest else value}


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_what_hydra_composes_passes_unchanged_and_does_so_twice(kind: str, tmp_path: Path) -> None:
    config = (core.teacher_values if kind == "teacher" else core.student_values)(tmp_path, "aug=[mixup,cutout]")
    checked = check(kind, config)
    assert checked.plain() == config
    assert check(kind, checked.plain()) == checked
    assert list(checked.aug.ops) == ["mixup", "cutout"]


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_every_key_must_be_there_and_no_other(kind: str, tmp_path: Path) -> None:
    config = (core.teacher_values if kind == "teacher" else core.student_values)(tmp_path)
    for key in config:
        with pytest.raises(ConfigError, match=f"the config has no {key}: a {kind} job needs seed, outputs"):
            check(kind, {name: value for name, value in config.items() if name != key})
    with pytest.raises(ConfigError, match=r"optm is not a config key \(did you mean optim\?\): known here are seed, "):
        check(kind, {**config, "optm": {}})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", -1, "seed=-1 is out of range: a whole number, 0 or more"),
        ("seed", 1.0, "seed=1.0 is not what it must be: a whole number, 0 or more, as in seed=0"),
        ("seed", True, "seed=true is not what it must be"),
        ("seed", 2**63, f"seed={2**63} is out of range"),
        ("teacher_seed", "0", "teacher_seed=0 is not what it must be"),
        ("dataset.validation", -1, "dataset.validation=-1 is out of range: a whole number, 0 or more, as in "),
        ("dataset.mean", [0.5], "give mean and std, or neither"),
        ("dataset.verify", "perhaps", "dataset.verify=perhaps is not what it must be: true or false, as in "),
        ("dataset.name", "digit", r"dataset=digit is unknown \(did you mean digits\?\)"),
        ("dataset.name", "../dataset/digits", "dataset=../dataset/digits is unknown"),
        ("dataset.sise", 16, r"dataset.sise is not a config key \(did you mean size\?\)"),
        ("optim.epochs", 0, "optim.epochs=0 is out of range: a whole number, 1 or more"),
        ("optim.epochs", 1.5, "optim.epochs=1.5 is not"),
        ("optim.epochs", "???", r"optim.epochs=\?\?\? is not"),
        ("optim.batch_size", 0, "optim.batch_size=0 is out of range"),
        ("optim.lr", 0, "optim.lr=0 is out of range: a number, above 0, below 1,000, as in optim.lr=0.1"),
        ("optim.lr", 1000, "below 1,000"),
        ("optim.lr", "fast", "optim.lr=fast is not what it must be: a number, above 0"),
        ("optim.lr", [0.1], r"optim.lr=\[0.1\] is not what it must be: a number"),
        ("optim.momentum", 1, "optim.momentum=1 is out of range"),
        (
            "optim.momentum",
            0,
            "optim.nesterov=true is out of range: needs momentum above 0, as in optim.nesterov=false",
        ),
        ("optim.schedule", "cosin", r"optim.schedule=cosin is unknown \(did you mean cosine\?\)"),
        ("optim.milestones", [3, 2], r"optim.milestones=\[3,2\] is out of range: rising epochs"),
        ("optim.gamma", 0, "optim.gamma=0 is out of range"),
        ("optim.warmup_epochs", 4, "optim.warmup_epochs=4.0 is out of range: 0 to optim.epochs"),
        ("optim.clip_norm", 0, "optim.clip_norm=0 is out of range: null, or a number, above 0"),
        ("optim.select", "best", "optim.select=best is unknown"),
        ("optim.nesterof", True, r"optim.nesterof is not a config key \(did you mean nesterov\?\)"),
        ("distillation.alpha", 1.01, "distillation.alpha=1.01 is out of range: a number, 0 or more, at most 1"),
        ("distillation.temperature", 0, "distillation.temperature=0 is out of range: a number, 1e-06 or more"),
        ("distillation.loss", "kdd", "distillation.loss=kdd is unknown .did you mean kd"),
        ("distillation.loss.beta", 1.0, "distillation.loss.beta is not a config key"),
        ("distillation.loss.reduction", 3, "distillation.loss.reduction=3"),
        ("distillation.view", "sam", r"distillation.view=sam is unknown \(did you mean same\?\)"),
        ("distillation.transform", "class", r"distillation.transform=class is unknown \(did you mean class-mean\?\)"),
        ("distillation.sd", 2.0, "distillation.sd=2.0 is out of range: null, or with distillation.transform=rescale"),
        ("optim.stop_accuracy", 0, "optim.stop_accuracy=0 is out of range: null, or a number, above 0, at most 1"),
        ("distillation.teacher_weights", "none", "distillation.teacher_weights=none is unknown"),
        ("runtime.device", "gpu", "runtime.device=gpu is unknown"),
        ("runtime.precision", "fp16", "runtime.precision=fp16 is unknown"),
        ("runtime.cuda_graphs", "yes", "runtime.cuda_graphs=yes is unknown"),
        ("runtime.threads", 0, "runtime.threads=0 is out of range"),
        ("runtime", 3, "runtime=3 is not a group of keys"),
        ("student.name", "resnet", "student=resnet is unknown"),
        ("student.width", 4, "student.width is not a config key: known here are name"),
        (
            "teacher",
            "resnet18",
            "teacher=resnet18 is not a group of keys: type teacher=CHOICE, one of airbench, alexnet, mobilenet-v2, res",
        ),
        ("student_aug", "mixup", "is not a group of keys: type aug@student_aug=CHOICE, one of augmix, baseline, "),
        ("teacher_optim", "lenet", "type optim@teacher_optim=CHOICE, one of airbench, "),
        ("teacher._target_", "os.system", "teacher._target_ is not a config key"),
        ("aug", "mixup", "aug=mixup is not a group of keys: type aug=CHOICE, one of augmix, baseline, "),
        ("aug.op", {}, r"aug.op is not a config key \(did you mean ops\?\)"),
        ("student_aug.ops", {"mixap": {}}, r"student_aug.ops.mixap is unknown \(did you mean mixup\?\)"),
        ("aug.ops", {"baseline": {}}, "aug.ops.baseline is unknown"),
        (
            "aug.ops",
            {"mixup": None},
            "aug.ops.mixup=null is not a group of keys: type .* as in aug.ops.mixup.alpha=1.0",
        ),
        ("aug.ops", {"mixup": {"alhpa": 1}}, r"aug.ops.mixup.alhpa is not a config key \(did you mean alpha\?\)"),
    ],
)
def test_refusals_are_one_line_with_what_is_allowed(key: str, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        check("student", changed(core.student_values(tmp_path), key, value))
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, RequestError)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), "inf", ".nan"])
@pytest.mark.parametrize(
    "key",
    [
        "optim.lr",
        "optim.weight_decay",
        "optim.gamma",
        "optim.clip_norm",
        "optim.warmup_epochs",
        "distillation.temperature",
        "distillation.alpha",
    ],
)
def test_numbers_must_be_finite_because_manifests_are_strict_json(key: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=key):
        check("student", changed(core.student_values(tmp_path), key, value))


@pytest.mark.parametrize(
    "text", ["", "5", "min", "5 min", "-1min", "5m", "0epochs", "0.5epoch", "infmin", "1e9min", "5min1epoch", "٣min"]
)
def test_anything_else_between_checkpoints_is_refused(text: str, tmp_path: Path) -> None:
    config = changed(core.student_values(tmp_path), "runtime.checkpoint_every", text)
    with pytest.raises(ConfigError, match=r"runtime.checkpoint_every=.*: minutes or whole epochs, as in .*=5min"):
        check("student", config)


@pytest.mark.parametrize(("typed", "meant"), [(True, "true"), ("false", "false"), ("auto", "auto")])
def test_graphs_are_asked_for_by_a_truth_value_or_a_word(typed: object, meant: str, tmp_path: Path) -> None:
    config = changed(core.student_values(tmp_path), "runtime.cuda_graphs", typed)
    assert check("student", config).runtime.cuda_graphs == meant


@pytest.mark.parametrize("key", ["mean", "std"])
def test_statistics_must_be_finite(key: str) -> None:
    statistics = {"mean": [0.5], "std": [0.5], key: [float("inf")]}
    with pytest.raises(ConfigError, match=f"dataset.{key}="):
        check_group("dataset", {**DIGITS, **statistics})


def test_values_get_the_types_of_the_schema() -> None:
    checked = check_group("optim", {**OPTIM, "epochs": 4, "lr": 1, "clip_norm": 2, "nesterov": False, "momentum": 0})
    assert checked.epochs == 4
    assert type(checked.lr) is type(checked.clip_norm) is type(checked.momentum) is float
    assert checked.plain()["milestones"] == []
    assert type(check_group("distillation", {"temperature": 4}).temperature) is float
    assert type(check_group("aug", {"ops": {"mixup": {"alpha": 1}}}).ops["mixup"].alpha) is float


def test_what_is_checked_cannot_be_changed() -> None:
    checked = check_group("optim", {**OPTIM, "milestones": [1, 2]})
    assert checked.milestones == (1, 2)
    with pytest.raises(ValidationError, match="frozen"):
        checked.lr = 1.0


def test_parameters_that_are_not_given_are_those_of_the_yaml() -> None:
    assert check_group("teacher", {"name": "resnet18"}).plain() == {"name": "resnet18", "width": 64}
    assert check_group("dataset", {**DIGITS, "size": 32}).size == 32
    assert check_group("dataset", DIGITS).size == 16
    assert check_group("aug", {"ops": {"cutmix": {"prob": 1.0}}}).listed() == [
        ["cutmix", {"alpha": 1.0, "prob": 1.0, "scope": "batch", "labels": "soft"}]
    ]
    assert check_group("aug", {"ops": None}).plain() == {"ops": {}}


def test_checking_changes_neither_its_argument_nor_the_defaults(tmp_path: Path) -> None:
    config = core.student_values(tmp_path, "aug@student_aug=mixup")
    before = repr(config), repr(parameters("aug", "mixup"))
    check("student", config).plain()["student_aug"]["ops"]["mixup"]["alpha"] = 9
    check("student", config).plain()["dataset"]["size"] = 99
    assert (repr(config), repr(parameters("aug", "mixup"))) == before
