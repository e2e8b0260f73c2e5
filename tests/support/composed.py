"""What a command composes for some overrides, without the command line; and typed configs with values changed."""

import copy
import os
import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf

from augdistill import plugins
from augdistill.cli.composing import compose as composing
from augdistill.config.base import Group
from augdistill.config.checking import check, typed
from augdistill.config.jobs import ModelConfig
from augdistill.config.studies import StudyConfig
from augdistill.study.plan import Plan, make_plan

G = TypeVar("G", bound=Group)

OF_COMMANDS = ("wait", "evaluate", "tracker")  # what no job has
PLAIN_OUTPUTS = re.compile(r"outputs=[\w./-]*[a-zA-Z./-][\w./-]*")  # which nothing reads but the paths themselves
JOBS = {"train-teacher": "teacher", "distill": "student"}  # command -> what checking.check calls its job


def compose(command: str, *overrides: str) -> dict[str, Any]:
    """Return what a command gets for these overrides; what was composed before in the same place is not again."""
    outputs = [word for word in overrides if PLAIN_OUTPUTS.fullmatch(word)]
    others = tuple(word for word in overrides if word not in outputs)
    place = (os.environ.get("AUGDISTILL_DATA"), os.environ.get("AUGDISTILL_OUTPUTS"), *plugins.distributions())
    config = copy.deepcopy(composed_before(command, others, place))
    return config | dict(word.split("=", 1) for word in outputs)


@cache
def composed_before(command: str, overrides: tuple[str, ...], place: tuple[str | None, ...]) -> dict[str, Any]:
    """Return what a command gets; `place` are the plugins and what of the environment configs read."""
    config = composing.composed(command, list(overrides), None)
    found = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def job(command: str, config: dict[str, Any]) -> ModelConfig:
    """Return the typed job of `train-teacher` or `distill`."""
    return check(JOBS[command], {key: value for key, value in config.items() if key not in OF_COMMANDS})


def composed(outputs: Path, *overrides: str) -> dict:
    return compose("study", f"outputs={outputs}", *overrides)


def study(outputs: Path, *overrides: str) -> StudyConfig:
    """Return the typed config of `augdistill study` with these overrides."""
    return typed(StudyConfig, composed(outputs, *overrides))


def planned(values: dict[str, Any]) -> Plan:
    """Return the plan of the config of a study, which is checked first."""
    return make_plan(typed(StudyConfig, values))


def changed(config: G, values: dict[str, Any]) -> G:
    """Return a config with the values at dotted keys replaced, checked anew."""
    return typed(type(config), replaced(config.plain(), values))


def replaced(values: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return dictionaries in dictionaries with the values at dotted keys replaced."""
    for key, value in new.items():
        first, _, rest = key.partition(".")
        values = {**values, first: replaced(values[first], {rest: value}) if rest else value}
    return values
