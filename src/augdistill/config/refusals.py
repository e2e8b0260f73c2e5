"""Turns what pydantic says of a config into one line: the key as typed, the value, what is allowed, an example."""

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from augdistill.base.checks import nearest
from augdistill.config.base import Chosen, Whole
from augdistill.config.located import ConfigKey, annotation_of, bare, in_entry, locate
from augdistill.config.places import AS_TRAINED, choices

LONGEST = 80  # characters of a value that are repeated
FIRST = ("extra_forbidden", "unknown", "missing")  # kinds of errors, the most telling ones first


def refusal(error: ValidationError, model: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> str:
    """Return one line about the gravest error in `values`, which stand below the key `prefix` ("optim.")."""
    found = error.errors(include_url=False, include_input=False)
    first = min(found, key=lambda each: FIRST.index(each["type"]) if each["type"] in FIRST else len(FIRST))
    place = locate(model, values, first["loc"])
    key = prefix + ".".join(place.path)
    context = first.get("ctx", {})
    if first["type"] == "unknown":
        return unknown_choice(key, place, context["given"], context["known"])
    if first["type"] == "wrong":
        key = ".".join(filter(None, [key.rstrip("."), context["key"]]))
        below = (*first["loc"], *filter(None, context["key"].split(".")))
        one = example(locate(model, values, below).field) if context["example"] is None else context["example"]
        return f"{key}={shown(context['value'])} is out of range: {context['allowed']}, as in {typed(key, one)}"
    if inner := in_entry(place, first["loc"]):
        return f"{key}={shown(place.value)}: {line_about(first, '.'.join(inner.path), inner)}"
    return line_about(first, key, place)


def line_about(error: ErrorDetails, key: str, place: ConfigKey) -> str:
    """Return the line about a key that is not known or missing, or about a value that is wrong."""
    if error["type"] == "extra_forbidden":
        hint = nearest(place.path[-1], place.known)
        return f"{shown(key)} is not a config key{hint}: known here are {', '.join(place.known) or 'none'}"
    if error["type"] == "missing":
        return f"{key} is missing: {allowed(place)}{as_in(key, place)}"
    return wrong_value(error, key, place)


def wrong_value(error: ErrorDetails, key: str, place: ConfigKey) -> str:
    """Return the line about a value of the wrong type or out of range."""
    if (choice := chosen(place.field)).folder and not isinstance(place.value, Mapping):
        return no_group(key, place.value, choice)
    if is_group(place.field) and not isinstance(place.value, Mapping):
        return f"{key}={shown(place.value)} is not a group of keys: type {key}.KEY=VALUE{as_in(key, place)}"
    if error["type"] == "literal_error" and isinstance(place.value, str):
        hint = nearest(place.value, [str(value) for value in literals(annotation_of(place.field))])
        return f"{key}={shown(place.value)} is unknown{hint}: {allowed(place)}{as_in(key, place)}"
    return f"{key}={shown(place.value)} is {fault(error, place.value)}: {allowed(place)}{as_in(key, place)}"


def is_group(field: FieldInfo | None) -> bool:
    """Return whether a place holds a group of keys that are known."""
    kind = bare(field.annotation) if field else None
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def fault(error: ErrorDetails, value: object) -> str:
    """Return what a value is that it should not be."""
    kinds = ("greater_than", "less_than", "finite_number", "too_short", "too_long", "literal_error")
    if any(kind in error["type"] for kind in kinds) and not isinstance(value, Mapping):
        return "out of range" if value != "" else "empty"
    return "not what it must be"


def unknown_choice(key: str, place: ConfigKey, given: object, known: Sequence[str]) -> str:
    """Return the line about a name that is not known: of a group's choice, of a strategy among `ops`, in a list."""
    hint, listed = nearest(given, known), ", ".join(known)
    choice = chosen(place.field)
    if choice.folder and isinstance(place.value, Mapping):
        where = choice_key(key, choice)
        name = f"{key}.{shown(given)}" if choice.inside else f"{key}={shown(given)}"
        return f"{name} is unknown{hint}: choose one of {listed}, as in {typed(where, known[0])}"
    if isinstance(place.value, Mapping):
        return f"{key}.{shown(given)} is unknown{hint}: choose one of {listed}{as_in(key, place)}"
    within = "" if given == place.value else f": {shown(given)}"
    return f"{key}={shown(place.value)}{within} is unknown{hint}: choose one of {listed}{as_in(key, place)}"


def no_group(key: str, value: object, choice: Chosen) -> str:
    """Return what to say of a value that stands where a group of keys must: how a choice is typed."""
    names = [name for name in choices(choice.folder) if name != AS_TRAINED]
    where = choice_key(key, choice)
    one = value if value in names else names[0]
    return (
        f"{key}={shown(value)} is not a group of keys: type {where}=CHOICE, one of {', '.join(names)}, "
        f"as in {typed(where, one)}"
    )


def choice_key(key: str, choice: Chosen) -> str:
    """Return how a group's choice is typed: FOLDER@KEY where the group stands at another place than its folder's."""
    where = key.rpartition(".")[0] if choice.inside else key
    return where if where == choice.folder else f"{choice.folder}@{where}"


def misplaced(model: type[BaseModel], values: Mapping[str, Any], word: str) -> str:
    """Return the line about an override that cannot be put into `values`, by what stands where its key leads."""
    key, _, given = word.partition("=")
    folder, _, where = key.lstrip("+~").rpartition("@")
    place = locate(model, values, where.split("."))
    choice = Chosen(folder) if folder else chosen(place.field)
    if choice.folder and len(place.path) == len(where.split(".")):
        return no_group(where, given, choice)
    at = ".".join(place.path)
    return f"{shown(word)} is not what it must be: {at} takes {allowed(place)}{as_in(at, place)}"


def chosen(field: FieldInfo | None) -> Chosen:
    """Return the folder of conf/ that a group is chosen from, an empty one if it is no such group."""
    return next((item for item in field.metadata if isinstance(item, Chosen)), Chosen("")) if field else Chosen("")


def allowed(place: ConfigKey) -> str:
    """Return in words what a place allows, by its type and limits."""
    return described(annotation_of(place.field))


def described(annotation: Any, limits: Sequence[Any] = ()) -> str:
    """Return in words what a type allows."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return described(parts[0], [*parts[1:], *limits])
    if origin in (typing.Union, types.UnionType):
        words = [described(part, limits) for part in parts if part is not type(None)]
        return ", or ".join([*(["null"] if type(None) in parts else []), *dict.fromkeys(words)])
    if origin is Literal:
        return f"choose one of {', '.join(map(str, parts))}"
    if origin is tuple:
        return f"a list, each entry {described(parts[0])}"
    if origin is dict:
        return f"a group of keys, each value {described(parts[1])}"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if annotation in names:
        return names[annotation] + described_limits(limits)
    return "a group of keys" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else "any value"


def described_limits(limits: Sequence[Any]) -> str:
    """Return the limits of a number, or that text must not be empty."""
    if any(isinstance(limit, MinLen) for limit in limits):
        return ", not empty"
    found = []
    for limit in limits:
        match limit:
            case Gt(low):
                found.append(f"above {number(low)}")
            case Ge(low):
                found.append(f"{number(low)} or more")
            # annotated-types bounds compare, which is all it says
            case Lt(high) if float(high) < 2**31:  # type: ignore[arg-type]
                found.append(f"below {number(high)}")
            case Le(high):
                found.append(f"at most {number(high)}")
    return "".join(f", {word}" for word in found)


def number(value: Any) -> str:
    """Return a limit as people write it."""
    return f"{int(value):,}" if value == int(value) else str(value)


def literals(annotation: Any) -> tuple[Any, ...]:
    """Return the values of which one must be chosen."""
    return typing.get_args(bare(annotation)) if typing.get_origin(bare(annotation)) is Literal else ()


def example(field: FieldInfo | None) -> object:
    """Return a value that a field takes."""
    if field is None:
        return None
    if field.examples:
        return field.examples[0]
    if field.default is not PydanticUndefined and field.default is not None:
        return field.default
    return next(iter(literals(field.annotation)), None)


def as_in(key: str, place: ConfigKey) -> str:
    """Return the example of a refusal: of a group a choice, or one of its keys."""
    choice = chosen(place.field)
    if choice.folder and not isinstance(place.value, Mapping):
        name = next(name for name in choices(choice.folder) if name != AS_TRAINED)
        return f", as in {typed(choice_key(key, choice), name)}"
    if is_group(place.field):
        # a group's annotation is a class
        first, field = next(iter(bare(place.field.annotation).model_fields.items()))  # type: ignore[union-attr]
        return f", as in {typed(f'{key}.{first}', example(field))}"
    return f", as in {typed(key, example(place.field))}"


def typed(key: str, value: object) -> str:
    """Return an override as it is typed in a shell; an example that is one already, of a key below, stays."""
    word = str(value) if isinstance(value, Whole) else f"{key}={written(value)}"
    return f"'{word}'" if any(mark in word for mark in "[]{}\"' ") else word


def written(value: object) -> str:
    """Return a value as an override spells it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, BaseModel):
        return written(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}: {written(item)}" for name, item in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) and value.isdigit() else str(value)


def shown(value: object) -> str:
    """Return a value, cut where it is long, on one line that a terminal can print."""
    text = value if isinstance(value, str) else written(value)
    text = "".join(mark if mark.isprintable() else "?" for mark in text[: 2 * LONGEST])
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
