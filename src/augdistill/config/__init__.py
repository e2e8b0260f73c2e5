"""The schema: what a config may hold, and which of its fields decide a result.

A config is composed from `conf/` (values), typed, or read back from a run's folder, and held against typed models (in
`groups`, `jobs`, `studies`, `executors` and `commands`) by `checking`. What is common to all datasets, models and
strategies stands in a model; the parameters of one of them are the keyword arguments of its function and stand, all of
them, in its YAML file, against which keys and types are checked. Nothing here is ever instantiated by an import path,
so a config that came with a run folder is only data.

This file holds what needs no pydantic, which takes 0.15 s to import.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augdistill.config.places import DATASET_KEYS, SECOND_PLACES, choices, conf_dir, parameters

__all__ = [
    "SECOND_PLACES",
    "SOFT_TARGETS",
    "Config",
    "aug_name",
    "choices",
    "conf_dir",
    "loss_parameters",
    "model_parameters",
    "ops_list",
    "parameters",
    "reader_arguments",
    "reader_parameters",
]

Config = dict[str, Any]

SOFT_TARGETS = (
    "view",
    "transform",
    "sd",
    "teacher",
    "teacher_weights",
)  # fields of `distillation`: what is learnt from


def ops_list(aug: Mapping[str, Any]) -> list[list[Any]]:
    """Return the strategies of an `aug` group as an ordered list of [name, parameters]."""
    return [[name, dict(values)] for name, values in aug["ops"].items()]


def aug_name(aug: Mapping[str, Any]) -> str:
    """Return the name of a stack of strategies: "baseline" if empty, else their names joined with "+"."""
    return "+".join(aug["ops"]) or "baseline"


def model_parameters(model: Mapping[str, Any]) -> Config:
    """Return a model's keyword arguments: its group without the name."""
    return {key: value for key, value in model.items() if key != "name"}


def loss_parameters(distillation: Mapping[str, Any]) -> Config:
    """Return the keyword arguments of a student's loss: its own, and all fields that nothing else is known to read.

    So a field added later is refused by a loss that does not know it, and not passed over.
    """
    known = ("alpha", "temperature", "loss", *SOFT_TARGETS)
    more = {key: value for key, value in distillation.items() if key not in known}
    return more | {key: value for key, value in distillation["loss"].items() if key != "name"}


def reader_parameters(dataset: Mapping[str, Any]) -> Config:
    """Return the keyword arguments of a dataset's reader: its group without the keys that all datasets have."""
    return {key: value for key, value in dataset.items() if key not in DATASET_KEYS}


def reader_arguments(dataset: Mapping[str, Any], outputs: str) -> Config:
    """Return the keyword arguments that open a dataset: where it lies, its cache, its reader's parameters."""
    where = {"root": Path(dataset["root"]), "cache": Path(outputs) / "cache", "verify": dataset["verify"]}
    return {**where, **reader_parameters(dataset)}
