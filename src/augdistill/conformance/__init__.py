"""Tests that every entry of every table keeps its contract: `pytest --pyargs augdistill.conformance`.

A place that was forgotten (no YAML file, no label, no line in the table) fails with the name of the place.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augdistill.augment import AUGMENTATIONS
from augdistill.data import DATASETS
from augdistill.losses import LOSSES
from augdistill.models import MODELS

TABLES: dict[str, Mapping[str, Any]] = {
    "AUGMENTATIONS": AUGMENTATIONS,
    "MODELS": MODELS,
    "LOSSES": LOSSES,
    "DATASETS": DATASETS,
}


def entries(table: str) -> list[str]:
    """Return the names of all entries of a table."""
    return sorted(TABLES[table])


def models_of_each_class() -> list[str]:
    """Return the first model of each class: others of a class differ from it in numbers alone."""
    first: dict[str, str] = {}
    for name, model in MODELS.items():
        first.setdefault(model.place, name)
    return sorted(first.values())


def own_parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword arguments of a function, which are an entry's parameters, with their defaults."""
    known = inspect.signature(function).parameters.values()
    return {item.name: item.default for item in known if item.kind is item.KEYWORD_ONLY}


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Return normal float64 numbers, the same for the same seed."""
    return torch.from_numpy(np.random.default_rng(seed).normal(scale=scale, size=shape))
