"""What the documents that runs and studies leave behind must look like, so that one made by hand cannot surprise.

A schema is a type, a set of allowed values, a function that says yes or no, a tuple of alternatives (None among them),
`[schema]` for a list, or a dictionary: its keys must be there (unless they end in "?"), others may be; the key
`every` stands for all keys that are not named, and `every_name` demands that those are plain names too. `ByKind` holds
a schema for each value of the key `kind`.
"""

import re
from collections.abc import Mapping
from typing import Any

from augdistill.base.checks import is_name
from augdistill.base.schema import ByKind, every, every_name

KINDS = ("teacher", "outputs", "student", "evaluation")


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


def is_settled(value: object) -> bool:
    """Return whether no text in a config still asks OmegaConf to look something up."""
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return not (isinstance(value, str) and "${" in value) and all(map(is_settled, children))


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
    "primary?": [(str, int)],
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
