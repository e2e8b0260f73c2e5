"""What a command composes for some overrides, without the command line."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from augdistill.cli import composing
from augdistill.config.checking import check

JOBS = {"train-teacher": "teacher", "distill": "student"}  # command -> what checking.check calls its job


def compose(command: str, *overrides: str) -> dict[str, Any]:
    """Return what a command gets for these overrides."""
    config = OmegaConf.to_container(
        composing.composed(command, list(overrides), None), resolve=True, throw_on_missing=True
    )
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def job(command: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return a checked job of `train-teacher` or `distill`."""
    return check(JOBS[command], {key: value for key, value in config.items() if key != "wait"})


def composed(outputs: Path, *overrides: str) -> dict:
    return compose("study", f"outputs={outputs}", *overrides)
