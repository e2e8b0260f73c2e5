"""The paper's claims and a study's choices as data: dataclasses, made of `claims.yaml` and of a study by pydantic."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Gt
from omegaconf import OmegaConf
from pydantic import TypeAdapter, ValidationError

from augdistill.base.checks import check_keys, is_name, nearest, one_of
from augdistill.base.errors import ConfigError
from augdistill.claims.arms import BASELINE, NAMED, Written, WrittenArm, WrittenQuantity

CLAIMS = Path(__file__).with_name("claims.yaml")
IN_DISTRIBUTION = "in-distribution"

T = TypeVar("T")


@dataclass(frozen=True)
class Group(Written):
    """Parts of one form, one for each combination of `over`: a contrast plus - minus, or a correlation of x and y."""

    plus: WrittenArm | None = None
    minus: WrittenArm | None = None
    x: WrittenQuantity | None = None
    y: WrittenQuantity | None = None
    given: WrittenQuantity | None = None
    over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    average: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairing: Literal["none", "own-teacher", "student-seed"] = "none"
    label: str = ""
    metric: str = ""
    test_set: str = ""
    adjust: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Power(Written):
    """A design in which the claim is decided in about 80 % of studies, and what that assumes (in the claim's unit)."""

    blocks: int
    effect: float
    teacher_sd: float
    student_sd: float
    family: int


@dataclass(frozen=True)
class Claim(Written):
    """One claim; `claims.yaml` explains the fields."""

    id: str
    text: str
    kind: Literal["difference", "equivalence", "rank"]
    metric: str
    unit: str
    margin: Annotated[float, Gt(0)]
    parts: tuple[Group, ...]
    paper: str = ""
    studies: tuple[str, ...] = ()
    beside: tuple[Group, ...] = ()
    margin_unit: str = ""
    dataset: str = ""
    """whose images it is about; "" is any"""
    test_set: str = IN_DISTRIBUTION
    direction: str = "positive"
    strategies: int = 0
    variance: Literal["pooled", "separate"] = "separate"
    primary: bool = False
    contrast: bool = False
    excludes: tuple[str, ...] = ()
    power: tuple[Power, ...] = ()

    @property
    def variants(self) -> set[str]:
        """The cells of grids that its parts name, each $name replaced by each of its values; "" is the main arm."""
        groups, found = (*self.parts, *self.beside), set()
        for group in groups:
            names = {**group.over, **group.average}
            arms = [group.plus, group.minus, *(each.arm for each in (group.x, group.y, group.given) if each)]
            for values in product(*names.values()):
                found |= {arm.filled(dict(zip(names, values, strict=True))).variant for arm in arms if arm}
        return found

    @property
    def scale(self) -> float:
        """What a value of the metric is multiplied by to be in `unit`."""
        return 100.0 if self.unit == "pt" else 1.0


@dataclass(frozen=True)
class Names(Written):
    """What published.csv calls our metrics, test sets and datasets."""

    metrics: Mapping[str, str] = field(default_factory=dict)
    test_sets: Mapping[str, str] = field(default_factory=dict)
    in_distribution: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Claims(Written):
    """All claims, with the names of the printed numbers and of models that stand in for others."""

    claims: tuple[Claim, ...]
    printed: Names = field(default_factory=Names)
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    @property
    def primary(self) -> tuple[str, ...]:
        """The claims that are tested at the full level where a study names none: those marked, all if none is."""
        marked = tuple(claim.id for claim in self.claims if claim.primary)
        return marked or tuple(claim.id for claim in self.claims)

    def __getitem__(self, claim: str) -> Claim:
        return next(found for found in self.claims if found.id == claim)


@dataclass(frozen=True)
class Study(Written):
    """What a study file says that the verdicts depend on.

    Claims in `primary` share the full level, by Holm's procedure if they are several, and so do all others. `looks` is
    how many are planned, at equal steps, the last when all `blocks` are there. `base` is the first strategy of the
    ladder on which the others are stacked.
    """

    name: str
    blocks: int
    claims: tuple[str, ...]
    augs: tuple[str, ...]
    students: tuple[str, ...]
    dataset: str
    test_set: str
    margins: Mapping[str, float] = field(default_factory=dict)
    primary: tuple[str, ...] = ()
    looks: int = 1
    base: str = BASELINE
    student_augs: tuple[str, ...] = (BASELINE,)
    """the students' own strategies; an arm that names none has the first, where the baseline is not among them"""

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any], claims: Claims) -> "Study":
        """Return the study of a plain dictionary. Raises ConfigError for an unknown claim, a bad margin or count."""
        known = {name.name for name in fields(cls)}
        given = {key: value for key, value in meta.items() if key in known and value is not None}
        study = read(cls, {"primary": claims.primary, **given}, f"study {meta.get('name')}")
        ids = [claim.id for claim in claims.claims]
        for claim in (*study.claims, *study.margins, *study.primary):
            if claim not in ids:
                raise ConfigError(f"study {study.name} names claim {claim!r}; claims are {', '.join(ids)}")
        for claim, margin in study.margins.items():
            if not margin > 0:
                raise ConfigError(f"study {study.name}: the margin of claim {claim} is {margin}; it must be above 0")
        if study.looks < 1 or study.blocks < 1 or len(set(study.claims)) < len(study.claims):
            raise ConfigError(f"study {study.name}: looks must be >= 1, blocks >= 1, and each claim listed once")
        return study

    @property
    def planned_looks(self) -> tuple[int, ...]:
        """The numbers of blocks at which the study is to be looked at."""
        return tuple(dict.fromkeys(-(-self.blocks * look // self.looks) for look in range(1, self.looks + 1)))

    def aug(self, name: str) -> str:
        """Return what `name` is on this study's ladder: mixup on flip-crop is flip-crop+mixup, baseline flip-crop."""
        return name if self.base == BASELINE else self.base if name == BASELINE else f"{self.base}+{name}"

    def margin(self, claim: Claim) -> float:
        """Return the study's margin of a claim, by default the claim's own."""
        return self.margins.get(claim.id, claim.margin)


def load_claims(path: Path = CLAIMS) -> Claims:
    """Return the claims of a YAML file. Raises ConfigError for an unknown key, kind, pairing, role or name."""
    return parse_claims(OmegaConf.to_container(OmegaConf.load(path)), path.name)


def parse_claims(content: object, where: str) -> Claims:
    """Return the claims that a file's content says; raises ConfigError, which begins with `where` and the place."""
    if not isinstance(content, Mapping) or not isinstance(content.get("claims"), list) or not content["claims"]:
        raise ConfigError(f"{where}: it is no file of claims: claims: is a list of them, each with id, text, kind, ...")
    check_keys(f"{where}: ", content, ("claims", "dataset", "printed", "stand_ins"))
    claims: dict[str, Claim] = {}
    for number, entry in enumerate(content["claims"], 1):
        id = entry.get("id") if isinstance(entry, Mapping) else None
        place = f"{where}, claim {number if id is None else str(id)[:80]}"
        if not is_name(str(id)) or not isinstance(id, str | int) or str(id) in claims:
            raise ConfigError(f"{place}: id is a name of its own: letters, digits and . _ + - are allowed")
        claim = read(Claim, {"dataset": content.get("dataset", ""), **entry}, place)
        _check(claim, place)
        claims[claim.id] = claim
    rest = {key: content[key] for key in ("printed", "stand_ins") if key in content}
    return read(Claims, {"claims": tuple(claims.values()), **rest}, where)


def check_claims(study: Mapping[str, Any], claims: Claims) -> None:
    """Raise ConfigError for a claim that a `study` group asks for, or sets a margin of, and that does not exist."""
    known = [claim.id for claim in claims.claims]
    for key in ("claims", "margins", "primary"):
        for claim in study[key] or ():
            one_of(f"study.{key}", claim, known)


def _check(claim: Claim, where: str) -> None:
    if claim.contrast and claim.kind == "rank":
        raise ConfigError(f"{where}: contrast is the mean over parts that are differences, not rank correlations")
    for group in (*claim.parts, *claim.beside):
        arms = [group.x, group.y] if claim.kind == "rank" else [group.plus, group.minus]
        if None in arms:
            raise ConfigError(
                f"{where}: a {claim.kind} needs {'x and y' if claim.kind == 'rank' else 'plus and minus'}"
            )
        names = {*group.over, *group.average}
        for arm in (group.plus, group.minus, *(q.arm for q in (group.x, group.y, group.given) if q)):
            for name in NAMED.findall("" if arm is None else " ".join(vars(arm).values())):
                if name not in names:
                    raise ConfigError(f"{where}: ${name} has no values; `over` or `average` must list them")


@cache
def adapter(cls: type[Any]) -> TypeAdapter[Any]:
    """Return what makes a dataclass of a mapping, and its parts of those in it."""
    return TypeAdapter(cls)


def read(cls: type[T], content: Mapping[str, Any], where: str) -> T:
    """Return a dataclass made of a mapping; raises ConfigError, in one line that names the place."""
    try:
        # cls is a dataclass, as callers know
        made: T = adapter(cls).validate_python(dict(content))  # type: ignore[arg-type]
        return made
    except ValidationError as error:
        # cls is a dataclass
        raise ConfigError(f"{where}: {refusal(error, tuple(item.name for item in fields(cls)))}") from None  # type: ignore[arg-type]


def refusal(error: ValidationError, known: tuple[str, ...]) -> str:
    """Return what is wrong with the first place that is; `known` are the keys of the whole."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "unexpected_keyword_argument":
        hint = f"; keys are {', '.join(known)}" if len(first["loc"]) == 1 else ""
        return f"unknown key {place!r}{nearest(place, known)}{hint}"
    if first["type"] == "missing":
        return f"{place!r} is missing"
    said = first["msg"].removeprefix("Input ").removeprefix("Value error, ").replace("should be", "it must be")
    return f"{place} {str(first['input'])[:80]!r}: {said}"
