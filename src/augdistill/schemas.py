"""What the documents that runs and studies leave behind must look like, so that one made by hand cannot surprise.

A schema is a type, a set of allowed values, a function that says yes or no, a tuple of alternatives (None among them),
`[schema]` for a list, or a dictionary: its keys must be there (unless they end in "?"), others may be; the key
`every` stands for all keys that are not named, and `every_name` demands that those are plain names too. `ByKind` holds
a schema for each value of the key `kind`.
"""

import re
from collections.abc import Mapping
from typing import Any

from augdistill.errors import ConfigError

every, every_name = object(), object()
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")  # of a file, in a shell, in HTML and in LaTeX: always itself
KINDS = ("teacher", "outputs", "student", "evaluation")


class ByKind(dict[str, Any]):
    """A schema for each kind of document."""


def is_name(value: object) -> bool:
    """Return whether a value is a plain name, which no path can hide in."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def require_name(key: str, value: object) -> None:
    """Raise ConfigError unless a value can name a folder."""
    if not is_name(value):
        raise ConfigError(f"{key}={str(value)[:80]!r} is no name: letters, digits and . _ + - are allowed, 200 at most")


def is_id(value: object) -> bool:
    """Return whether a value is a whole SHA-256 in hex."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_need(value: object) -> bool:
    """Return whether a value is a list of runs, [kind, id, folder] each."""
    return isinstance(value, list) and all(
        isinstance(need, list) and len(need) == 3 and need[0] in KINDS and is_id(need[1]) and is_name(need[2])
        for need in value
    )


def is_text(value: object) -> bool:
    """Return whether a value is text that can be printed, on one line."""
    return isinstance(value, str) and value.isprintable()


def printable(text: str) -> str:
    """Return text without what a terminal would obey: escapes and other control characters become "?"."""
    return "".join(mark if mark.isprintable() or mark == "\n" else "?" for mark in text)


def printable_line(text: str) -> str:
    """Return text as `printable` does, in one line."""
    return printable(" ".join(text.split()))


def is_settled(value: object) -> bool:
    """Return whether no text in a config still asks OmegaConf to look something up."""
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return not (isinstance(value, str) and "${" in value) and all(map(is_settled, children))


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
        return misfit(value, schema[kind], place) if kind in KINDS else f"{place}.kind"
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
        rest = schema.get(every_name, schema.get(every, object))
        if key not in named and every_name in schema and not is_name(key):
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


PROVENANCE = {
    "versions": {every: str},
    "precision": str,
    "began": str,
    "ended": str,
    "seconds": float,
    "parents": {every: is_name},
    "bank?": [is_name],
    "notes": [str],
}
RUN = {
    "format": frozenset({1}),
    "id": is_id,
    "status": frozenset({"finished", "diverged"}),
    "config": {every: object},
    "document": {"data?": str, "parents?": {every: is_id}},
    "files": {every_name: str},
    "provenance": PROVENANCE,
}
CHECKPOINT = {  # beside the tensors
    "step": lambda value: type(value) is int and 0 <= value < 2**63,
    "seconds?": float,
    "history": [{every_name: lambda value: isinstance(value, int | float)}],  # infinite ones too
    "best_accuracy": float,
    "facts": {"precision": str, "threads": int},
}
MODEL_RUN = {
    **RUN,
    "classes": [is_text],
    "statistics": {"mean": [float], "std": [float]},
    "collapsed?": bool,
    "training_accuracy?": float,
    "dead_units?": float,
    "validation_accuracy?": float,
}
EVALUATION = {**RUN, "config": {"run": str}, "test_set": is_name, "accuracy?": (float, None)}
MANIFEST = ByKind(teacher=MODEL_RUN, student=MODEL_RUN, outputs=RUN, evaluation=EVALUATION)
NORMALISATION = frozenset({"training", "own"})
MODEL = {"name": is_name, "optim": {every: object}}
STUDY: dict[str, Any] = {
    "name": is_name,
    "dataset": {"name": is_name, "root": is_text, "verify": bool, "test_sets": [str]},
    "teacher": MODEL,
    "students": {every: MODEL},
    "aug": [is_name],
    "student_aug": [is_name],
    "ops?": ({every: {every: object}}, None),
    "distillation": {"alpha": float, "temperature": float},
    "grids": ([{every: [object]}], None),
    "runtime": {"device": str, "threads": {"teacher": int, "student": int}},
    "blocks": int,
    "first_block": int,
    "students_per_teacher": int,
    "claims?": [(str, int)],
    "margins?": {every: float},
    "looks?": int,
    "base?": (is_name, None),
    "test_set": (is_name, None),
    "normalisation?": NORMALISATION,
}
ARM = {
    **dict.fromkeys(("role", "model", "teacher_aug", "student_aug", "variant"), is_text),
    "block": int,
    "student_seed": int,
}
STAGE = {"id": is_id, "folder": is_name, "job": {"config": {every: object}}, "arm": ARM}
MODEL_STAGE = {**STAGE, "job": {"config": {"dataset": {every: object}, "runtime": {"precision": str}}}}
EVALUATION_STAGE = {**STAGE, "job": {"config": {"run": is_name}}, "arm": {**ARM, "test_set": is_name}}
STAGES = ByKind(teacher=MODEL_STAGE, student=MODEL_STAGE, outputs=STAGE, evaluation=EVALUATION_STAGE)
SHARED = dict.fromkeys(("role", "model", "teacher_aug", "student_aug", "variant", "stands_at"), is_text)
PLAN = {"name": is_name, "study": STUDY, "stages": [STAGES], "skipped?": {every: str}, "shared?": [SHARED]}
NUMBER = (float, None, frozenset({"inf", "-inf"}))  # as metrics.Scores writes it
SCORES: dict[str, Any] = {
    "scaling": str,
    "scalars": {every_name: NUMBER},
    "arrays": {
        "reliability?": {**{key: [NUMBER] for key in ("edges", "counts", "confidence", "accuracy")}, every: [NUMBER]},
        "scaling_temperatures?": [NUMBER],
        "class_accuracy?": [NUMBER],
        **{f"{name}?": [[NUMBER]] for name in ("confusion", "class_means", "human_class_means", "human_kl_matrix")},
    },
}
NEEDED = {"needs?": is_need, "awaited?": bool, "wait?": bool}
MODEL_JOB = {**NEEDED, "config": {"outputs": str}}
EVALUATION_JOB = {
    **NEEDED,
    "config": {
        "run": str,
        "test_set": is_name,
        "outputs": str,
        "root": (str, None),
        "verify": (bool, None),
        "path?": (str, None),
        "normalisation": NORMALISATION,
        "runtime": {"device": str, "threads": int},
    },
}
TOLD = {  # by a job of its stage, in a file beside it
    "state": frozenset({"blocked", "running", "stopped", "failed", "finished", "diverged"}),
    "error": str,
    "seconds": float,
    "host": is_text,
}
STUDENT_JOB = {  # `bank`: the jobs of all students that train together, this one among them
    **MODEL_JOB,
    "id?": is_id,
    "bank?": [{**MODEL_JOB, "kind": frozenset({"student"}), "id": is_id, "folder": is_name}],
}
JOB = ByKind(teacher=MODEL_JOB, outputs=MODEL_JOB, student=STUDENT_JOB, evaluation=EVALUATION_JOB)
