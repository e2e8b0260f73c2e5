"""A small language for the form of documents."""

from collections.abc import Mapping
from typing import Any

from augdistill.base.checks import is_label, is_name

every, every_name, every_label = object(), object(), object()


class ByKind(dict[str, Any]):
    """A schema for each kind of document."""


def misfit(value: object, schema: Any, place: str = "") -> str | None:
    """Return the dotted place in `value` that does not fit `schema`, None if all of it does."""
    if isinstance(schema, tuple):
        found = [misfit(value, alternative, place) for alternative in schema]
        return None if None in found else found[0]
    if isinstance(schema, list):
        if not isinstance(value, list):
            return place or "it"
        return next(
            (bad for index, item in enumerate(value) if (bad := misfit(item, schema[0], f"{place}.{index}"))), None
        )
    if isinstance(schema, ByKind):
        kind = value.get("kind") if isinstance(value, Mapping) else None
        return misfit(value, schema[str(kind)], place) if kind in schema else f"{place}.kind"
    if isinstance(schema, dict):
        return _misfit_in(value, schema, place)
    return None if _is_one(value, schema) else place or "it"


def _misfit_in(value: object, schema: dict[Any, Any], place: str) -> str | None:
    if not isinstance(value, Mapping):
        return place or "it"
    within = f"{place}." if place else ""
    named = {key.removesuffix("?"): wanted for key, wanted in schema.items() if isinstance(key, str)}
    for key in schema:
        if isinstance(key, str) and not key.endswith("?") and key not in value:
            return f"{within}{key}"
    for key, item in value.items():
        rest = schema.get(every_name, schema.get(every_label, schema.get(every, object)))
        unfit = (every_name in schema and not is_name(key)) or (every_label in schema and not is_label(key))
        if key not in named and unfit:
            return f"{within}{str(key)[:80]!r}"
        if bad := misfit(item, named.get(key, rest), f"{within}{str(key)[:80]}"):
            return bad
    return None


def _is_one(value: object, schema: Any) -> bool:
    if schema is None:
        return value is None
    if isinstance(schema, frozenset):
        return isinstance(value, str | int | float) and value in schema
    if schema is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300
    if schema is int:
        return type(value) is int and abs(value) < 2**63
    return isinstance(value, schema) if isinstance(schema, type) else bool(schema(value))
