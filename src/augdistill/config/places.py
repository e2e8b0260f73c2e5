"""Where the values lie: one YAML file for each choice of a group, in one folder for each group."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from augdistill.base.checks import one_of

SECOND_PLACES = {"student_aug": "aug", "teacher_optim": "optim"}  # key -> folder; an override says FOLDER@KEY=CHOICE
DATASET_KEYS = ("name", "root", "verify", "mean", "std", "validation", "test_sets")  # what all datasets have
AS_TRAINED = "as-trained"  # stands, in evaluations, for each run's own dataset


def conf_dir() -> Path:
    """Return the folder of the YAML files: inside an installed package, else at the top of the checkout."""
    installed = Path(__file__).parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "conf"


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
    common = DATASET_KEYS if group == "dataset" else ("name",)
    return {str(key): value for key, value in loaded.items() if key not in common}
