"""What all models of configs share: frozen, strict, no unknown keys, finite numbers; and the types that they use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from augdistill.base.checks import is_prefixed
from augdistill.base.model import Frozen, Many
from augdistill.config.places import AS_TRAINED, choices, parameters


class Group(Frozen):
    """A group of keys of a config."""

    def plain(self) -> dict[str, Any]:
        """Return the values as JSON has them: dictionaries, lists, text and numbers, with all own parameters."""
        return self.model_dump(mode="json", serialize_as_any=True)


class Named(Group):
    """A group whose other keys are the parameters of what `name` names, as its YAML file lists them."""

    name: str

    def parameters(self) -> dict[str, Any]:
        """Return the keyword arguments of what it names: its keys beside those that all of its kind have."""
        values = self.plain()
        return {key: values[key] for key in values if key in type(self).own() or key in (self.model_extra or {})}

    @classmethod
    def own(cls) -> tuple[str, ...]:
        """Return the keys that the YAML file adds."""
        return ()


Fraction = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0), Lt(1e6)]
NotNegative = Annotated[float, Ge(0), Lt(1e6)]
Count = Annotated[int, Ge(0), Lt(2**31)]
AtLeastOne = Annotated[int, Ge(1), Lt(2**31)]
Seed = Annotated[int, Ge(0), Lt(2**63)]
Text = Annotated[str, MinLen(1)]


@dataclass(frozen=True)
class Chosen:
    """Says of a group of keys that it, or (`inside`) the one that it stands in, is chosen from a folder of conf/."""

    folder: str
    inside: bool = False


class Whole(str):
    """An example that is a whole override, of a key below the one that it is an example of."""


def wrong(allowed: str, key: str = "", value: object = None, example: object = None) -> PydanticCustomError:
    """Return what a validator raises: what is allowed and an example, of the key `key` below the place or the place."""
    context = {"allowed": allowed, "key": key, "value": value, "example": example}
    return PydanticCustomError("wrong", "{allowed}", context)


def unknown(value: object, known: Sequence[str]) -> PydanticCustomError:
    """Return what a validator raises for a name that is not among those known."""
    return PydanticCustomError("unknown", "unknown", {"given": value, "known": list(known)})


def without_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of which none is there twice."""
    if len(set(names)) < len(names):
        raise wrong("each name once", "", list(names), list(dict.fromkeys(names)))
    return names


def type_of(default: object) -> Any:
    """Return the type of a parameter by its default in YAML: null is that of text which need not be given."""
    if default is None:
        return str | None
    return Many[Any] if isinstance(default, list) else type(default)


@cache
def with_parameters(base: type[Group], folder: str, name: str) -> type[Group]:
    """Return a model of what `base` has and of the parameters in conf/FOLDER/NAME.yaml, with their defaults.

    What a plugin adds that is not here may have any parameters: it is data until it is used, and then refused.
    """
    if is_prefixed(name) and name not in choices(folder):
        return type(name, (base,), {"model_config": ConfigDict(extra="allow"), "__module__": __name__})
    own = {key: value for key, value in parameters(folder, name).items() if key not in base.model_fields}
    found: dict[str, Any] = {key: (type_of(value), Field(value)) for key, value in own.items()}
    made: type[Group] = create_model(f"{base.__name__} {name}", __base__=base, **found)
    made.own = classmethod(lambda cls: tuple(own))  # type: ignore[attr-defined]  # the class was made above
    return made


@dataclass(frozen=True)
class ByName:
    """Makes of a mapping, before it is checked, the model that its `name` asks for, a plugin's too that is not here."""

    known: Callable[[], Sequence[str]]
    model: Callable[[str], type[Group]]

    def find(self, value: object) -> type[Group] | None:
        """Return the model that a mapping asks for by its name, None where there is none."""
        name = value.get("name") if isinstance(value, Mapping) else None
        return self.model(name) if isinstance(name, str) and (name in self.known() or is_prefixed(name)) else None

    def made(self, value: object) -> object:
        if not isinstance(value, Mapping):
            return value  # refused as no group of keys
        model = self.find(value)
        if model is None:
            raise unknown(value.get("name"), self.known())
        return model.model_validate(dict(value))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.made, handler(source))


def by_name(base: type[Group], folder: str) -> ByName:
    """Return what finds a group's model by the YAML files of a folder, the one for evaluations alone apart."""

    def known() -> tuple[str, ...]:
        return tuple(name for name in choices(folder) if name != AS_TRAINED)

    return ByName(known, lambda name: with_parameters(base, folder, name))


def dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return groups of keys as one of dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping) and value
        found |= dotted(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return found
