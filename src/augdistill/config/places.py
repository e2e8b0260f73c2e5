"""Where the values lie: one YAML file for each choice of a group, in one folder for each group.

Models that share a recipe stand in one file, models.yaml, and are choices all the same.
A plugin's folder of the same form adds choices under its prefix: its aug/randaugment.yaml is aug=mypkg/randaugment.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no types are published

from augdistill import plugins
from augdistill.base.checks import is_prefixed, one_of
from augdistill.base.errors import ConfigError
from augdistill.config.folders import read_plain

SECOND_PLACES = {"student_aug": "aug", "teacher_optim": "optim"}  # key -> folder; an override says FOLDER@KEY=CHOICE
OF_PLUGINS = ("aug", "dataset", "distillation", "loss", "optim", "student", "study", "teacher")  # folders they may have
DATASET_KEYS = ("name", "root", "verify", "mean", "std", "validation", "test_sets")  # what all datasets have
MODELS_FILE = "models.yaml"  # name -> the recipe that trains it
OF_MODELS = ("teacher", "student")  # in which a model without parameters needs no file
AS_TRAINED = "as-trained"  # stands, in evaluations, for each run's own dataset


def conf_dir() -> Path:
    """Return the folder of the YAML files: inside an installed package, else at the top of the checkout."""
    installed = Path(__file__).parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "conf"


@cache
def shared_recipes() -> Mapping[str, str]:
    """Return the models that have no recipe of their own, each with the name of the one that trains it."""
    found: dict[str, str] = yaml.safe_load((conf_dir() / MODELS_FILE).read_text(encoding="utf-8"))
    return found


@cache
def files(group: str) -> Mapping[str, Path]:
    """Return the YAML file of each choice of one group: our own, some of which share one, then those of plugins."""
    folder = SECOND_PLACES.get(group, group)
    found = {path.stem: path for path in sorted((conf_dir() / folder).glob("*.yaml"), key=lambda path: path.stem)}
    if folder == "optim":
        found |= {model: found[recipe] for model, recipe in shared_recipes().items()}
    if folder in OF_MODELS:
        found = {model: conf_dir() / MODELS_FILE for model in shared_recipes()} | found
    found = dict(sorted(found.items()))
    for prefix, plugin in plugins.installed().items() if folder in OF_PLUGINS else ():
        paths = sorted((plugin.conf / folder).glob("*.yaml"), key=lambda path: path.stem) if plugin.conf else []
        found |= {f"{prefix}/{path.stem}": path for path in paths if plugins.NAME.fullmatch(path.stem)}
    return found


@cache
def choices(group: str) -> tuple[str, ...]:
    """Return the names of the choices of one group."""
    return tuple(files(group))


def written(group: str, name: str) -> dict[str, Any]:
    """Return the values in the YAML file of a choice; raises ConfigError for a plugin's that holds no plain values."""
    from omegaconf import OmegaConf  # what needs no values does not wait for it
    from omegaconf.errors import OmegaConfBaseException

    path = files(group)[name]
    if path.name == MODELS_FILE:
        return {"name": name}
    try:
        text = read_plain(path.parent, path.name) if is_prefixed(name) else path.read_text(encoding="utf-8")
        loaded = OmegaConf.to_container(OmegaConf.create(text), resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path} is refused: {' '.join(str(error).split())[:160]}") from None
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} is refused: it holds no keys with values")
    return {str(key): value for key, value in loaded.items()}


@cache
def parameters(group: str, name: str) -> Mapping[str, Any]:
    """Return the parameters, with defaults, that `conf/GROUP/NAME.yaml` lists beside the keys all of its group have."""
    one_of(group, name, choices(group))
    values = written(group, name)
    if group == "aug":
        own = values["ops"].get(name) if isinstance(values.get("ops"), dict) else None
        if not isinstance(own, dict):
            raise ConfigError(f"{files(group)[name]} is refused: below `ops` it lists the parameters of {name}")
        return own
    common = DATASET_KEYS if group == "dataset" else ("name",)
    return {key: value for key, value in values.items() if key not in common}
