"""Checks a config against the schema: every key known, every value of its type and in its range, in one line if not.

What comes out are immutable, typed objects.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, overload

from pydantic import ValidationError, create_model

from augdistill.base.checks import check_keys
from augdistill.base.errors import ConfigError
from augdistill.base.text import first_text, is_no_unicode
from augdistill.config.base import Group
from augdistill.config.commands import COMMANDS
from augdistill.config.groups import Runtime
from augdistill.config.jobs import (
    CostsConfig,
    EvaluationConfig,
    ImportedConfig,
    ModelConfig,
    RunConfig,
    ShiftConfig,
    StudentConfig,
    TeacherConfig,
)
from augdistill.config.refusals import misplaced, refusal, shown
from augdistill.config.studies import StudyConfig

G = TypeVar("G", bound=Group)

JOBS: dict[str, type[ModelConfig]] = {"teacher": TeacherConfig, "student": StudentConfig}
OF_RUNS: dict[str, type[EvaluationConfig | ShiftConfig | CostsConfig]] = {
    "evaluation": EvaluationConfig,
    "shift": ShiftConfig,
    "costs": CostsConfig,
}
"""What asks something of a run that is there."""


def typed(model: type[G], values: Mapping[str, Any], prefix: str = "") -> G:
    """Return `values` as an immutable typed config; ConfigError, in one line, for what does not fit."""
    if (place := first_text(lambda text: "${" in text, values, prefix)) is not None:
        raise ConfigError(f"{shown(place)}: a value holds ${{, which names nothing here: write the value itself")
    if (place := first_text(is_no_unicode, values, prefix)) is not None:  # pydantic cannot tell of such text
        raise ConfigError(f"{shown(place)} is not text in UTF-8: write it anew")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(refusal(error, model, values, prefix)) from None


@overload
def check(kind: Literal["teacher"], config: Mapping[str, Any]) -> TeacherConfig: ...
@overload
def check(kind: Literal["student"], config: Mapping[str, Any]) -> StudentConfig: ...
@overload
def check(kind: str, config: Mapping[str, Any]) -> ModelConfig: ...
def check(kind: str, config: Mapping[str, Any]) -> ModelConfig:
    """Return the typed config of a "teacher" or "student" job.

    Raises ConfigError for a key that is missing, unknown or misplaced (naming the nearest valid one), a value of the
    wrong type or out of range.
    """
    model = JOBS[kind]
    check_keys("", config, list(model.model_fields))
    missing = [key for key in model.model_fields if key not in config]
    if missing:
        raise ConfigError(f"the config has no {missing[0]}: a {kind} job needs {', '.join(model.model_fields)}")
    return typed(model, config)


def check_job(kind: str, config: Mapping[str, Any]) -> RunConfig | EvaluationConfig | ShiftConfig | CostsConfig:
    """Return the typed config of a stage of any kind, as it was sent to who runs it; raises ConfigError."""
    if kind in OF_RUNS:
        return typed(OF_RUNS[kind], config)
    if kind == "teacher" and "imported" in config:
        return typed(ImportedConfig, config)
    return check("student" if kind == "outputs" else kind, config)


def check_command(command: str, config: Mapping[str, Any]) -> Group:
    """Return the whole config of a command, checked as `check` does."""
    return typed(COMMANDS[command], config)


def explain(command: str, config: Mapping[str, Any], word: str) -> str:
    """Return what to say of an override that no config can be composed with; `config` is the command's without it."""
    return misplaced(COMMANDS[command], config, word)


def check_saved(kind: str, config: Mapping[str, Any]) -> RunConfig:
    """Return the config that the manifest of a model or of outputs holds, checked as `check` does.

    What a version before this one had in `runtime`, where nothing decides a result, is left out; one before had KD
    alone, whose reduction stood in `distillation`.
    """
    if kind == "teacher" and "imported" in config:
        return typed(ImportedConfig, config)
    distillation = config.get("distillation")
    if isinstance(distillation, Mapping) and "loss" not in distillation and "reduction" in distillation:
        loss = {"name": "kd", "reduction": distillation["reduction"]}
        others = {key: value for key, value in distillation.items() if key != "reduction"}
        config = {**config, "distillation": {**others, "loss": loss}}
    runtime = config.get("runtime")
    kept = {key: runtime[key] for key in runtime if key in Runtime.model_fields} if isinstance(runtime, Mapping) else {}
    kind = "student" if kind == "outputs" else kind
    return check(kind, {**config, "runtime": kept if isinstance(runtime, Mapping) else runtime})


def check_group(key: str, values: object) -> Any:
    """Return the group `key` of a config, checked against its model and, for its parameters, its YAML file."""
    return getattr(typed(holder(key), {key: values}), key)


@cache
def holder(key: str) -> type[Group]:
    """Return a model of a config that has one group alone."""
    field = {**StudyConfig.model_fields, **StudentConfig.model_fields}[key]
    fields: dict[str, Any] = {key: (field.annotation, field)}
    return create_model(key, __base__=Group, **fields)
