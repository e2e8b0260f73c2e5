"""What is said of a claim."""

from dataclasses import dataclass

from augdistill.claims.parts import Part
from augdistill.claims.printed import Agreement
from augdistill.claims.schema import Claim


@dataclass(frozen=True)
class Verdict:
    """What a study says about a claim. Estimates, intervals and margin are in the claim's unit, positive as claimed."""

    study: str
    claim: Claim
    word: str
    negligible: bool
    """`supported`, and yet inside the margin"""
    line: str
    parts: tuple[Part, ...]
    beside: tuple[Part, ...]
    p: float
    """the smallest two-sided level at which the claim gets any word"""
    p_holm: float
    level: float
    """what `p` is compared with: the look's level over Holm's count; 1 - level is that of the deciding intervals"""
    look: int
    look_level: float
    """what `p_holm` is compared with"""
    family: int
    margin: float
    blocks_needed: int | None
    """blocks with which the next look would tell the margin from nothing in 80 % of studies, whatever this one found"""
    printed: Agreement
    tested_by: tuple[str, ...]
    warnings: tuple[str, ...]
