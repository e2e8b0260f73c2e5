"""Checks a job's config against the schema: every key known, every value of its type and in its range.

A config is a plain dictionary, composed from `conf/`, typed, or read back from a run's folder.
"""

import copy
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from augdistill.config import (
    AUG_KEYS,
    KEYS,
    OPEN_GROUPS,
    SCHEMAS,
    SECOND_PLACES,
    Config,
    Runtime,
    choices,
    nearest,
    parameters,
    require,
)
from augdistill.errors import ConfigError


def check(kind: str, config: Mapping[str, Any]) -> Config:
    """Return `config` of a "teacher" or "student" job with every value of its schema's type.

    Raises ConfigError for a key that is missing, unknown or misplaced (naming the nearest valid one), a value of the
    wrong type or out of range.
    """
    known_keys("", config, KEYS[kind])
    missing = [key for key in KEYS[kind] if config.get(key) is None]
    if missing:
        raise ConfigError(f"the config has no {missing[0]}: a {kind} job needs {', '.join(KEYS[kind])}")
    checked: Config = {"outputs": str(config["outputs"])}
    for key in ("seed", "teacher_seed"):
        if key in KEYS[kind]:
            value = config[key]
            require(type(value) is int and 0 <= value < 2**63, key, value, "a whole number, 0 or more")
            checked[key] = value
    for key in KEYS[kind]:
        if key in AUG_KEYS:
            checked[key] = {"ops": check_ops(key, config[key])}
        elif key not in checked:
            checked[key] = check_group(key, config[key])
            stop = checked[key].get("stop_accuracy")
            watched = stop is None or checked["dataset"]["validation"] > 0
            require(watched, f"{key}.stop_accuracy", stop, "it needs images to watch, dataset.validation above 0")
    return {key: checked[key] for key in KEYS[kind]}


def check_saved(kind: str, config: Mapping[str, Any]) -> Config:
    """Return the config that a run's manifest holds, a model's checked as `check` does; raises ConfigError.

    What a version before this one had in `runtime`, where nothing decides a result, is left out.
    """
    if kind not in KEYS:
        return dict(config)
    runtime = config.get("runtime")
    known = {item.name for item in fields(Runtime)}
    kept = {key: runtime[key] for key in runtime if key in known} if isinstance(runtime, Mapping) else runtime
    return check(kind, {**config, "runtime": kept})


def check_group(key: str, values: object) -> Config:
    """Return the group `key` of a config, checked against its dataclass and, for its parameters, its YAML file."""
    if not isinstance(values, Mapping):
        raise ConfigError(not_a_group(key, values))
    schema = SCHEMAS.get(key)
    common = [item.name for item in fields(schema)] if schema else ["name"]
    own = parameters(OPEN_GROUPS[key], str(values.get("name"))) if key in OPEN_GROUPS else {}
    known_keys(f"{key}.", values, [*common, *own])
    checked = {name: values[name] for name in values if name in common}
    if schema:
        checked = to_schema(key, schema, checked)
    return finite(key, checked | {name: like(default, values.get(name, default)) for name, default in own.items()})


def finite(key: str, values: Config) -> Config:
    """Return `values`; ConfigError names the one that holds a number which is infinite or not a number."""
    for name, value in values.items():
        numbers = [number for number in (value if isinstance(value, list) else [value]) if isinstance(number, float)]
        require(all(map(math.isfinite, numbers)), f"{key}.{name}", value, "finite numbers")
    return values


def like(default: object, value: object) -> object:
    """Return a whole number as a float where the default is one, so that 1 and 1.0 make the same run."""
    return float(value) if isinstance(default, float) and type(value) is int else value


def to_schema(key: str, schema: type, values: Mapping[str, Any]) -> Config:
    """Return `values` converted to the types of `schema`; ConfigError names the key that does not fit."""
    text = json.dumps(dict(values), sort_keys=True, default=str)
    if "${" in text:  # of a manifest, a job, or text with a backslash: nothing may be looked up now
        raise ConfigError(f"{key}: a value holds ${{, which names nothing here: write the value itself")
    try:
        loaded = converted(schema, text)
    except OmegaConfBaseException as error:
        where = f"{key}.{error.full_key}" if error.full_key else key
        raise ConfigError(f"{where}: {str(error.msg or error).splitlines()[0]}") from None
    return {item.name: copy.copy(getattr(loaded, item.name)) for item in fields(schema)}


@lru_cache(maxsize=1024)
def converted(schema: type, values: str) -> object:
    """Return the dataclass that JSON `values` make; a study asks for the same few groups again and again."""
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), json.loads(values)))


def check_ops(key: str, aug: object) -> dict[str, Config]:
    """Return the ordered strategies of an `aug` group, name -> parameters; values are checked where they are used."""
    if not isinstance(aug, Mapping):
        raise ConfigError(not_a_group(key, aug))
    known_keys(f"{key}.", aug, ["ops"])
    ops = aug.get("ops") or {}
    one = [f"{key}.ops.{name}" for name, values in ops.items() if not isinstance(values, Mapping)]
    if one:
        raise ConfigError(f"{one[0]} holds no parameters: copy them from conf/aug")
    strategies = [choice for choice in choices("aug") if choice != "baseline"]
    for name, values in ops.items():
        if name not in strategies:
            hint = nearest(str(name), strategies)
            raise ConfigError(f"{key}.ops.{name} is unknown{hint}: choose one of {', '.join(strategies)}")
        known_keys(f"{key}.ops.{name}.", values, list(parameters("aug", name)))
    return {
        name: finite(
            f"{key}.ops.{name}",
            {own: like(default, values.get(own, default)) for own, default in parameters("aug", name).items()},
        )
        for name, values in ops.items()
    }


def not_a_group(key: str, value: object) -> str:
    """Return what to say of a value that stands where a group of keys must: how a choice is typed."""
    typed = f"{SECOND_PLACES[key]}@{key}" if key in SECOND_PLACES else key
    return f"{key}={value} is not a group of keys: type {typed}=CHOICE, one of {', '.join(choices(key))}"


def known_keys(prefix: str, values: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise ConfigError for the first key of `values` that is not known, with the nearest one that is."""
    for key in values:
        if key not in known:
            listed = ", ".join(known) or "none"
            raise ConfigError(f"{prefix}{key} is not a config key{nearest(str(key), known)}: known here are {listed}")
