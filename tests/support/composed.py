"""What a command composes for some overrides, without the command line; and typed configs with values changed."""

from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf

from augdistill.cli.composing import compose as composing
from augdistill.config.base import Group
from augdistill.config.checking import check, typed
from augdistill.config.jobs import ModelConfig
from augdistill.config.studies import StudyConfig
from augdistill.study.plan import Plan, make_plan

G = TypeVar("G", bound=Group)

OF_COMMANDS = ("wait", "evaluate", "tracker")  # what no job has
JOBS = {"train-teacher": "teacher", "distill": "student"}  # command -> what checking.check calls its job


def compose(command: str, *overrides: str) -> dict[str, Any]:
    """Return what a command gets for these overrides."""
    config = OmegaConf.to_container(
        composing.composed(command, list(overrides), None), resolve=True, throw_on_missing=True
    )
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


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
