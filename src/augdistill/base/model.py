"""What every checked structure is: a frozen, strict pydantic model, and one line about the place that does not fit.

What people write, a config or a claim, has no keys that its model does not know. A `Record` was written by a program,
perhaps of a later version: keys that it does not know are left out.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Le, Lt
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    ModelWrapValidatorHandler,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from augdistill.base.checks import LABEL, NAME
from augdistill.base.files import checksum

T = TypeVar("T")

MOST_ERRORS = 1000  # of which each place is listed before the first is told; a file may hold millions


class Frozen(BaseModel):
    """A structure that is immutable once it is made: every key known, every value of its very type, finite numbers."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Record(Frozen):
    """A structure in a file that a program wrote: keys of other versions are left out."""

    model_config = ConfigDict(extra="ignore")

    def plain(self) -> dict[str, Any]:
        """Return what was written, as JSON has it."""
        return self.model_dump(mode="json", exclude_unset=True)


class Proven(Record):
    """A record whose `checksum`, where it has one, must be that of all it says; older versions wrote none."""

    @model_validator(mode="wrap")
    @classmethod
    def is_whole(cls, value: Any, make: ModelWrapValidatorHandler[Any]) -> Any:
        made = make(value)
        if isinstance(value, Mapping) and "checksum" in value and value["checksum"] != checksum(value):
            raise wrong_as_a_whole("its checksum differs")
        return made


def is_printable(text: str) -> str:
    """Return text that a terminal can print, on one line; else ValueError."""
    if not text.isprintable():
        raise ValueError("not printable")
    return text


class UntilFirst(FailFast):
    """Ends at the first wrong entry of a list, of which a hostile file may hold millions."""

    def __hash__(self) -> int:  # so that "or None" can be said of such a list
        return hash(UntilFirst)


Many = Annotated[tuple[T, ...], Strict(False), UntilFirst()]  # a list where it is written
Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]  # of a file or an arm
Label = Annotated[str, StringConstraints(pattern=f"^{LABEL.pattern}$")]  # a name, with a plugin's prefix or without
Id = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]  # a whole SHA-256
Printable = Annotated[str, AfterValidator(is_printable)]
AsText = BeforeValidator(lambda value: str(value) if type(value) is int else value)  # of a claim that is called 1
NumberOrText = Annotated[str, AsText]
Integer = Annotated[int, Ge(-(2**63)), Lt(2**63)]
Real = Annotated[float, Ge(-1e300), Le(1e300)]


def fits(model: type[BaseModel] | TypeAdapter[Any]) -> BeforeValidator:
    """Return a validator of a group that is kept as it was written, whose known keys must fit `model`."""

    def check(value: Any) -> Any:
        model.validate_python(value) if isinstance(model, TypeAdapter) else model.model_validate(value)
        return value

    return BeforeValidator(check)


def wrong_as_a_whole(why: str) -> PydanticCustomError:
    """Return what a validator raises for what is wrong though every value of it fits."""
    return PydanticCustomError("whole", "{why}", {"why": why})


def validated(model: "type[T] | TypeAdapter[T]", document: object) -> T:
    """Return a document as its model; raises ValueError that names the place that does not fit."""
    try:
        return (model if isinstance(model, TypeAdapter) else TypeAdapter(model)).validate_python(document)
    except ValidationError as error:
        raise ValueError(first_invalid(error, document)) from None


def first_invalid(error: ValidationError, document: object) -> str:
    """Return what of a document does not fit, the first of it, in some words."""
    if error.error_count() > MOST_ERRORS:
        return f"{error.error_count():,} values of it are not what they must be"
    first = error.errors(include_url=False, include_context=True, include_input=False)[0]
    if first["type"] == "whole":
        return str(first["msg"])
    tag = first.get("ctx", {}).get("discriminator", "").strip("'")
    return f"{place(first['loc'], document, tag) or 'it'} is missing or not what it must be"


def place(loc: tuple[int | str, ...], document: object, tag: str = "") -> str:
    """Return where an error is, dotted: without the kinds of document that pydantic names on its way."""
    parts: list[str] = []
    for number, part in enumerate(loc):
        is_last = number == len(loc) - 1
        if part == "[key]":
            parts[-1] = repr(parts[-1])
        elif isinstance(document, list) or (isinstance(document, Mapping) and (is_last or part in document)):
            parts.append(str(part)[:80])
            document = inside(document, part)
    return ".".join([*parts, *filter(None, [tag])])


def inside(document: Any, part: int | str) -> object:
    """Return what stands in a document at a key or an index, None where there is nothing."""
    try:
        return document[part]
    except (KeyError, IndexError, TypeError):
        return None
