"""The record of looks in a study's folder: every report that judges is one, and the first freezes the family."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from augdistill.base.files import write_atomic
from augdistill.base.model import Integer, Many, Real, Record, fits
from augdistill.base.reading import read_json
from augdistill.base.text import now
from augdistill.claims.looks import Family, Look, Looks, family_hash
from augdistill.claims.verdict import Verdict
from augdistill.stats.decisions import DESCRIPTIVE, NOT_TESTED, OPEN

LOOKS = "looks.json"
UNDECIDED = (OPEN, DESCRIPTIVE, NOT_TESTED)


class FrozenFamily(Record):
    """What of the family that was frozen at the first look is asked for; the rest is compared as it was written."""

    blocks: Integer
    looks: Many[Integer]
    primary: Many[str]
    secondary: Many[str]
    margins: dict[str, Real]


class SavedLook(Record):
    """One look, as it was written."""

    blocks: Integer
    date: str
    family: str
    outcomes: dict[str, str]


class SavedLooks(Record):
    """A study's looks.json."""

    frozen: Annotated[Family, fits(FrozenFamily)]
    looks: Many[SavedLook]


def load_looks(folder: Path) -> Looks:
    """Return the looks that a study's folder records. Raises RunError for a record that is damaged."""
    try:
        saved = read_json(folder / LOOKS, SavedLooks, "looks at the study are no longer known; restore it")
    except FileNotFoundError:
        return Looks()
    return Looks(tuple(Look(**dict(look)) for look in saved.looks), saved.frozen)


def record_look(folder: Path, looks: Looks, family: Family, verdicts: Sequence[Verdict]) -> None:
    """Record this look, unless one at as many blocks of the same family is recorded, or nothing could be tested."""
    tested = [verdict for verdict in verdicts if verdict.outcome not in (DESCRIPTIVE, NOT_TESTED)]
    if not any(part.p == part.p for verdict in tested for part in verdict.deciding):
        return
    blocks, mark = tested[0].look.blocks, family_hash(family)
    if any((look.blocks, look.family) == (blocks, mark) for look in looks.earlier):
        return
    outcomes = {verdict.claim.id: verdict.outcome for verdict in tested if verdict.outcome not in UNDECIDED}
    taken = [*looks.earlier, Look(blocks, now(), mark, outcomes)]
    content = {"frozen": dict(looks.frozen) or family, "looks": [vars(look) for look in taken]}
    write_atomic(folder / LOOKS, json.dumps(content, indent=1).encode())
