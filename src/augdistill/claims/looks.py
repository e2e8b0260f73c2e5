"""The looks at a study: each spends error, and the family of claims stays what it was at the first."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augdistill.claims.schema import Claims, Study
from augdistill.stats.spending import look_level

Family = dict[str, Any]
NAMES = {
    "primary": "primary claims",
    "secondary": "secondary claims",
    "margins": "margins",
    "blocks": "planned blocks",
    "looks": "planned looks",
    "definitions": "definitions of the claims",
}


@dataclass(frozen=True)
class Look:
    """One earlier look: how many blocks were there, when, the family's hash, and what became of each claim."""

    blocks: int
    date: str
    family: str
    outcomes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Looks:
    """Earlier looks, the first one first, and the family that was frozen then."""

    earlier: tuple[Look, ...] = ()
    frozen: Mapping[str, Any] = field(default_factory=dict)

    def planned(self, study: Study) -> int:
        """Return the planned blocks: those of the frozen family."""
        return int(self.frozen.get("blocks", study.blocks))

    def spending(self, blocks: int) -> tuple[int, ...]:
        """Return the numbers of blocks that have been looked at, ever more, this look's `blocks` last."""
        return (*sorted({look.blocks for look in self.earlier if look.blocks < blocks}), blocks)

    def level(self, blocks: int, planned: int, alpha: float) -> float:
        """Return the two-sided level of a look at `blocks` blocks; 0 where all was spent before."""
        most = max((look.blocks for look in self.earlier), default=0)
        if blocks < most and blocks not in {look.blocks for look in self.earlier}:
            return 0.0  # blocks were taken away: what was seen with more of them cannot be unseen
        return look_level(self.spending(blocks), planned, alpha)

    def decided(self, claim: str, family: str, blocks: int) -> tuple[str, int] | None:
        """Return the outcome that an earlier look with fewer blocks gave a claim of the same family, and its blocks."""
        for look in self.earlier:
            if look.family == family and look.blocks < blocks and claim in look.outcomes:
                return look.outcomes[claim], look.blocks
        return None

    def changes(self, family: Family) -> tuple[str, ...]:
        """Return what differs from the frozen family, with what it was."""
        if not self.frozen:
            return ()
        return tuple(
            f"{name} changed after the first look"
            + (f", were {_text(self.frozen.get(key))}, are {_text(family[key])}" if key != "definitions" else "")
            for key, name in NAMES.items()
            if self.frozen.get(key) != family[key]
        )


def family_of(study: Study, claims: Claims) -> Family:
    """Return what is fixed at the first look: the claims, their margins and definitions, planned blocks and looks."""
    asked = [claim for claim in claims.claims if claim.id in study.claims]
    definitions = {claim.id: digest(repr(claim)) for claim in asked}
    return {
        "primary": [claim.id for claim in asked if claim.id in study.primary],
        "secondary": [claim.id for claim in asked if claim.id not in study.primary],
        "margins": {claim.id: study.margin(claim) for claim in asked},
        "blocks": study.blocks,
        "looks": list(study.planned_looks),
        "definitions": digest(json.dumps(definitions, sort_keys=True)),
    }


def digest(text: str) -> str:
    """Return twelve hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def family_hash(family: Family) -> str:
    """Return what stands for a family in a record of looks."""
    return digest(json.dumps(family, sort_keys=True))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one:g}" for key, one in value.items()) or "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
