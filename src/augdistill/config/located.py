"""Finds the key of a config that an error of pydantic's is about, in groups, in lists and among their entries."""

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from augdistill.config.base import ByName, with_parameters
from augdistill.config.groups import Op


@dataclass(frozen=True)
class ConfigKey:
    """A key: its path as typed, what is said of it there, the value given, the keys that its group knows."""

    path: tuple[str, ...]
    field: FieldInfo | None
    value: object
    known: tuple[str, ...]


def locate(model: type[BaseModel], values: object, loc: Sequence[int | str]) -> ConfigKey:
    """Return the key that an error's location means; entries of lists stand for the list."""
    here: Any = model
    field: FieldInfo | None = None
    path: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    for part in loc:
        here = resolved(here, field, values)
        if isinstance(part, int):
            break
        if isinstance(here, type) and issubclass(here, BaseModel):
            known = typed_keys(here)
            field = here.model_fields.get(part)
            here = field.annotation if field else None
        elif typing.get_origin(here) is dict:
            known, field = (), FieldInfo(annotation=typing.get_args(here)[1])
            here = with_parameters(Op, "aug", part) if typing.get_args(here)[1] is Op else typing.get_args(here)[1]
            field = FieldInfo.from_annotation(here)
            here = field.annotation
        else:
            break
        path = (*path, str(part))
        values = values.get(part) if isinstance(values, Mapping) else None
        if field is None:
            break
    return ConfigKey(path, field, values, known)


def typed_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys of a model without that which can have one value alone and tells kinds of entries apart."""
    return tuple(
        key for key, field in model.model_fields.items() if typing.get_args(field.annotation) != (field.default,)
    )


def in_entry(place: ConfigKey, loc: Sequence[int | str]) -> ConfigKey | None:
    """Return the key within an entry of the list at a place that an error means, None where it means none there."""
    index = next((number for number, part in enumerate(loc) if isinstance(part, int)), len(loc))
    parts = typing.get_args(bare(annotation_of(place.field)))
    kind = bare(parts[0]) if parts else None
    if not loc[index + 1 :] or not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return None
    entries = place.value if isinstance(place.value, list | tuple) else [place.value]
    entry = entries[int(loc[index])]
    return locate(kind, {"name": entry} if isinstance(entry, str) else entry, loc[index + 1 :])


def resolved(here: Any, field: FieldInfo | None, values: object) -> Any:
    """Return the type at a place: without "or null", and the model that a name in `values` asks for."""
    for item in field.metadata if field else ():
        if isinstance(item, ByName):
            return item.find(values) or here
    return bare(here)


def bare(annotation: Any) -> Any:
    """Return a type without its annotations and without None."""
    while typing.get_origin(annotation) in (Annotated, typing.Union, types.UnionType):
        options = [item for item in typing.get_args(annotation) if item is not type(None)]
        annotation = options[0]
    return annotation


def annotation_of(field: FieldInfo | None) -> Any:
    """Return the type of a field with what limits it."""
    if field is None:
        return Any
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
