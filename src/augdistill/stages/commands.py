"""The commands that a message tells people to type."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from augdistill.config import Config, conf_dir, parameters
from augdistill.identity import Ref, teacher_of
from augdistill.runs import RunStore


def missing_teacher(ref: Ref, config: Config, store: RunStore) -> str:
    """Return what to say when a student's teacher is not there: the command that makes it, or the one that is there."""
    wanted = teacher_of(config)
    for run in store.all("teacher"):
        same = all(run.config[key] == wanted[key] for key in ("aug", "teacher", "seed"))
        if same and run.manifest["document"]["data"] == ref.document["data"]:
            change = overrides("teacher_optim", run.config["optim"], wanted["optim"])
            if change:
                return (
                    f"no teacher of these choices by this recipe; {run.path.name} has another: select it with {recipe}"
                )
    return f"the teacher {ref.folder} is not there yet; make it with: {teacher_command(wanted)}"


def teacher_command(config: Config) -> str:
    """Return the `augdistill train-teacher` command that makes the teacher of a checked "teacher" config."""
    dataset, model = config["dataset"], config["teacher"]
    names = list(config["aug"]["ops"]) or ["baseline"]
    words = [f"dataset={dataset['name']}", f"aug={names[0]}" if len(names) == 1 else f"'aug=[{','.join(names)}]'"]
    words += [f"teacher={model['name']}", f"seed={config['seed']}"]
    default = (
        OmegaConf.load(conf_dir() / "optim" / f"{model['name']}.yaml") if model["name"] in choices("optim") else {}
    )
    words.append(overrides("optim", config["optim"], dict(default)))  # type: ignore[call-overload]
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
