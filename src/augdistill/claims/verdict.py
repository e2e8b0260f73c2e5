"""What is said of a claim."""

from dataclasses import dataclass

from augdistill.claims.parts import Part
from augdistill.claims.printed import Agreement
from augdistill.claims.schema import Claim
from augdistill.stats.decisions import OPEN


@dataclass(frozen=True)
class LookInfo:
    """Which look at the study this is."""

    number: int
    blocks: int
    planned: int
    is_planned: bool


@dataclass(frozen=True)
class Detectable:
    """The smallest difference that four of five studies like this find, with its `blocks` and with twice as many."""

    blocks: int
    now: float
    twice: float
    hours: float
    """of the study with twice the blocks, on the hardware it ran on; NaN if unknown"""


@dataclass(frozen=True)
class Verdict:
    """What a study says about a claim. Estimates, intervals and margin are in the claim's unit, positive as claimed."""

    study: str
    claim: Claim
    outcome: str
    margin: float
    printed: Agreement
    look: LookInfo
    tested_by: tuple[str, ...]
    negligible: bool = False
    """`supported`, and yet inside the margin"""
    refuted: tuple[str, ...] = ()
    """labels of the parts that contradict a claim which needs every part"""
    contrast: Part | None = None
    """the planned contrast of a claim about a group; `parts` are then shown below it"""
    parts: tuple[Part, ...] = ()
    secondary: tuple[Part, ...] = ()
    is_primary: bool = False
    p: float = float("nan")
    """the smallest two-sided level at which the claim gets any outcome"""
    level: float = float("nan")
    """what `p` is compared with; 1 - level is that of the deciding intervals"""
    step: int = 0
    """of Holm's procedure over `tests` claims"""
    tests: int = 0
    decided_at: int = 0
    """the blocks of the earlier look that decided it, 0 if this one did or none"""
    detectable: Detectable | None = None
    ece_floor: tuple[float, float] = (float("nan"), float("nan"))
    warnings: tuple[str, ...] = ()

    @property
    def deciding(self) -> tuple[Part, ...]:
        """The parts that the outcome is read off."""
        return (self.contrast,) if self.contrast else self.parts

    @property
    def is_open(self) -> bool:
        return self.outcome == OPEN
