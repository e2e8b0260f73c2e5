"""The commands that a message tells people to type."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from augdistill.config import Config, conf_dir, parameters
from augdistill.identity import dataset_fields, teacher_folder, teacher_of
from augdistill.runs import RunStore


def missing_teacher(config: Config, store: RunStore) -> str:
    """Return what to say when a student's teacher is not there: the override that selects another, or what makes it."""
    wanted = teacher_of(config)
    folder = teacher_folder(wanted)
    for run in store.all("teacher"):
        same_data = dataset_fields(run.config["dataset"]) == dataset_fields(wanted["dataset"])
        if run.path.name.startswith(folder) and run.config["teacher"] == wanted["teacher"] and same_data:
            change = overrides("teacher_optim", run.config["optim"], wanted["optim"])
            if change:
                return f"no such teacher by this recipe; {run.path.name} has another one: add {change}"
    return f"the teacher {folder} of this recipe is not there yet; make it with: {teacher_command(wanted)}"


def teacher_command(config: Config) -> str:
    """Return the `augdistill train-teacher` command that makes the teacher of a checked "teacher" config."""
    dataset, model = config["dataset"], config["teacher"]
    names = list(config["aug"]["ops"]) or ["baseline"]
    words = [f"dataset={dataset['name']}", f"aug={names[0]}" if len(names) == 1 else f"'aug=[{','.join(names)}]'"]
    words += [f"teacher={model['name']}", f"seed={config['seed']}"]
    words.append(overrides("optim", config["optim"], recipe(model["name"])))
    words.append(overrides("teacher", model, {"name": model["name"], **parameters("teacher", model["name"])}))
    words.append(overrides("dataset", dataset, dataset_defaults(dataset["name"])))
    for name in config["aug"]["ops"]:
        words.append(overrides(f"aug.ops.{name}", config["aug"]["ops"][name], parameters("aug", name)))
    if config["outputs"] != "outputs":
        words.append(f"outputs={config['outputs']}")
    if config["runtime"]["precision"] != "auto":
        words.append(f"runtime.precision={config['runtime']['precision']}")
    return " ".join(["augdistill train-teacher", *(word for word in words if word)])


def recipe(model: str) -> dict[str, Any]:
    """Return the values of the recipe that belongs to a model."""
    loaded = OmegaConf.to_container(OmegaConf.load(conf_dir() / "optim" / f"{model}.yaml"))
    assert isinstance(loaded, dict)
    return {str(key): value for key, value in loaded.items()}


def overrides(prefix: str, values: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """Return the Hydra overrides that turn `default` into `values`, for the keys that both have."""
    differing = [key for key in values if key in default and values[key] != default[key]]
    return " ".join(f"{prefix}.{key}={written(values[key])}" for key in differing)


def written(value: object) -> str:
    """Return a value as an override spells it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return "[" + ",".join(written(item) for item in value) + "]"
    return str(value)


def dataset_defaults(name: str) -> dict[str, Any]:
    """Return the values of a dataset's YAML file; its root as the environment gives it."""
    loaded = OmegaConf.to_container(OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml"), resolve=True)
    assert isinstance(loaded, dict)
    return {str(key): value for key, value in loaded.items()}
