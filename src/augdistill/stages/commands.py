"""The commands that a message tells people to type."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from augdistill.config import parameters
from augdistill.config.jobs import ModelConfig, StudentConfig, TeacherConfig
from augdistill.config.places import written as written_in
from augdistill.store.identity import teacher_folder, teacher_of, teacher_ref
from augdistill.store.runs import RunStore


def missing_teacher(config: StudentConfig, store: RunStore) -> str:
    """Return what to say when a student's teacher is not there: the override that selects another, or what makes it."""
    wanted = teacher_of(config)
    for run in store.all("teacher"):
        if not isinstance(run.config, ModelConfig):
            continue
        theirs = run.config.optim
        other = teacher_ref(wanted.model_copy(update={"optim": theirs}), run.manifest.document.data)
        if run.id == other.id and run.status == "finished":
            change = overrides("teacher_optim", theirs.plain(), wanted.optim.plain())
            return f"no such teacher by this recipe; {run.path.name} has another one: add {change}"
    folder = teacher_folder(wanted)
    return f"the teacher {folder} of this recipe is not there yet; make it with: {teacher_command(wanted)}"


def teacher_command(config: TeacherConfig) -> str:
    """Return the `augdistill train-teacher` command that makes a teacher."""
    dataset, model = config.dataset, config.teacher
    names = list(config.aug.ops) or ["baseline"]
    words = [f"dataset={dataset.name}", f"aug={names[0]}" if len(names) == 1 else f"'aug=[{','.join(names)}]'"]
    words += [f"teacher={model.name}", f"seed={config.seed}"]
    words.append(overrides("optim", config.optim.plain(), written_in("optim", model.name)))
    words.append(overrides("teacher", model.parameters(), parameters("teacher", model.name)))
    words.append(overrides("dataset", dataset.plain(), written_in("dataset", dataset.name)))
    for name, values in config.aug.listed():
        words.append(overrides(f"aug.ops.{name}", values, parameters("aug", name)))
    if config.outputs != "outputs":
        words.append(word("outputs", config.outputs))
    if config.runtime.precision != "auto":
        words.append(f"runtime.precision={config.runtime.precision}")
    return " ".join(["augdistill train-teacher", *filter(None, words)])


def overrides(prefix: str, values: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """Return the Hydra overrides that turn `default` into `values`, for the keys that both have."""
    differing = [key for key in values if key in default and values[key] != default[key]]
    return " ".join(word(f"{prefix}.{key}", values[key]) for key in differing)


def word(key: str, value: object) -> str:
    """Return an override as it is typed in a shell."""
    return shlex.quote(f"{key}={written(value)}")


def written(value: object) -> str:
    """Return a value as an override spells it; text that Hydra's grammar would take apart is quoted."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return "[" + ",".join(written(item) for item in value) + "]"
    text = str(value)
    if not isinstance(value, str) or re.fullmatch(r"[A-Za-z_/.][\w/.+-]*", text):
        return text
    escaped = text.replace("${", "\\${").replace("'", "\\'")
    return f"'{escaped}'"
