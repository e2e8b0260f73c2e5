"""The paper's claims and a study's choices as data, read and checked: dataclasses for `claims.yaml` and for a study."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf

from augdistill.base.checks import one_of
from augdistill.base.errors import ConfigError

CLAIMS = Path(__file__).with_name("claims.yaml")
KINDS = ("difference", "equivalence", "rank")
VARIANCES = ("pooled", "separate")
PAIRINGS = ("none", "own-teacher", "student-seed")
ROLES = ("teacher", "student", "control")
IN_DISTRIBUTION = "in-distribution"
BASELINE = "baseline"

T = TypeVar("T")


@dataclass(frozen=True)
class Arm:
    """The runs compared: values of the columns of the results; an empty model or teacher_aug leaves the column open."""

    role: str
    model: str = ""
    teacher_aug: str = ""
    student_aug: str = ""

    def filled(self, binding: Mapping[str, str]) -> "Arm":
        """Return the arm with every $name replaced by its value."""
        return Arm(*(binding[value[1:]] if value.startswith("$") else value for value in vars(self).values()))


@dataclass(frozen=True)
class Quantity:
    """One variable of a rank correlation: a metric of an arm, over the strategies of its teacher."""

    metric: str
    arm: Arm


@dataclass(frozen=True)
class Group:
    """Parts of one form, one for each combination of `over`: a contrast plus - minus, or a correlation of x and y."""

    plus: Arm | None = None
    minus: Arm | None = None
    x: Quantity | None = None
    y: Quantity | None = None
    given: Quantity | None = None
    over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    average: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairing: str = "none"
    label: str = ""
    metric: str = ""
    test_set: str = ""
    adjust: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Power:
    """A design in which the claim is decided in about 80 % of studies, and what that assumes (in the claim's unit)."""

    blocks: int
    effect: float
    teacher_sd: float
    student_sd: float
    family: int


@dataclass(frozen=True)
class Claim:
    """One claim; `claims.yaml` explains the fields."""

    id: str
    text: str
    paper: str
    kind: str
    metric: str
    unit: str
    margin: float
    parts: tuple[Group, ...]
    studies: tuple[str, ...]
    beside: tuple[Group, ...] = ()
    margin_unit: str = ""
    dataset: str = "cifar10"
    test_set: str = IN_DISTRIBUTION
    direction: str = "positive"
    strategies: int = 0
    variance: str = "separate"
    contrast: bool = False
    excludes: tuple[str, ...] = ()
    power: tuple[Power, ...] = ()

    @property
    def scale(self) -> float:
        """What a value of the metric is multiplied by to be in `unit`."""
        return 100.0 if self.unit == "pt" else 1.0

    @property
    def needs_every_part(self) -> bool:
        """Whether every part has to be as claimed, not their mean."""
        return not self.contrast and self.kind != "rank"


@dataclass(frozen=True)
class Names:
    """What published.csv calls our metrics, test sets and datasets."""

    metrics: Mapping[str, str]
    test_sets: Mapping[str, str]
    in_distribution: Mapping[str, str]


@dataclass(frozen=True)
class Claims:
    """All claims, with the names of the printed numbers and of models that stand in for others."""

    claims: tuple[Claim, ...]
    printed: Names
    stand_ins: Mapping[str, str]

    def __getitem__(self, claim: str) -> Claim:
        return next(found for found in self.claims if found.id == claim)


@dataclass(frozen=True)
class Study:
    """What a study file says that the verdicts depend on.

    Claims in `primary` are tested at the full level, the others by Holm's procedure. `looks` is how many are planned,
    at equal steps, the last when all `blocks` are there. `base` is the first strategy of the ladder on which the others
    are stacked.
    """

    name: str
    blocks: int
    claims: tuple[str, ...]
    augs: tuple[str, ...]
    students: tuple[str, ...]
    dataset: str
    test_set: str
    margins: Mapping[str, float] = field(default_factory=dict)
    primary: tuple[str, ...] = ("2",)
    looks: int = 1
    base: str = BASELINE

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any], claims: Claims) -> "Study":
        """Return the study of a plain dictionary. Raises ConfigError for an unknown claim, a bad margin or count."""
        known = {name.name for name in fields(cls)}
        given = {key: value for key, value in meta.items() if key in known and value is not None}
        study = _build(cls, given, f"study {meta.get('name')}")
        ids = [claim.id for claim in claims.claims]
        primary = () if study.primary == cls.primary else study.primary
        for claim in (*study.claims, *study.margins, *primary):
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
    content = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(content, dict)
    claims = tuple(_build(Claim, entry, f"{path.name}, claim {entry.get('id')}") for entry in content["claims"])
    for claim in claims:
        _check(claim, f"{path.name}, claim {claim.id}")
    return Claims(claims, _build(Names, content["printed"], path.name), content["stand_ins"])


def check_claims(study: Mapping[str, Any]) -> None:
    """Raise ConfigError for a claim that a `study` group asks for, or sets a margin of, and that does not exist."""
    known = [claim.id for claim in load_claims().claims]
    for key in ("claims", "margins", "primary"):
        for claim in study.get(key, ()):
            if (key, claim) != ("primary", *Study.primary):
                one_of(f"study.{key}", claim, known)


def _check(claim: Claim, where: str) -> None:
    if claim.kind not in KINDS:
        raise ConfigError(f"{where}: kind {claim.kind!r}; it is one of {', '.join(KINDS)}")
    if claim.variance not in VARIANCES:
        raise ConfigError(f"{where}: variance {claim.variance!r}; it is one of {', '.join(VARIANCES)}")
    if not claim.margin > 0:
        raise ConfigError(f"{where}: margin {claim.margin}; it must be above 0")
    for group in (*claim.parts, *claim.beside):
        if group.pairing not in PAIRINGS:
            raise ConfigError(f"{where}: pairing {group.pairing!r}; it is one of {', '.join(PAIRINGS)}")
        arms = [group.x, group.y] if claim.kind == "rank" else [group.plus, group.minus]
        if None in arms:
            raise ConfigError(
                f"{where}: a {claim.kind} needs {'x and y' if claim.kind == 'rank' else 'plus and minus'}"
            )
        names = {*group.over, *group.average}
        for arm in (group.plus, group.minus, *(q.arm for q in (group.x, group.y, group.given) if q)):
            for value in () if arm is None else vars(arm).values():
                if value.startswith("$") and value[1:] not in names:
                    raise ConfigError(f"{where}: {value} has no values; `over` or `average` must list them")


def _arm(content: Mapping[str, str], where: str) -> Arm:
    arm = _build(Arm, content, where)
    if arm.role not in ROLES:
        raise ConfigError(f"{where}: role {arm.role!r}; it is one of {', '.join(ROLES)}")
    teacher_aug = "labels" if arm.role == "control" else arm.teacher_aug
    student_aug = "" if arm.role == "teacher" else arm.student_aug or BASELINE
    return Arm(arm.role, arm.model, teacher_aug, student_aug)


def _group(content: Mapping[str, Any], where: str) -> Group:
    found = dict(content)
    for name in {"plus", "minus"} & set(found):
        found[name] = _arm(found[name], where)
    for name in {"x", "y", "given"} & set(found):
        arm = {key: value for key, value in found[name].items() if key != "metric"}
        found[name] = Quantity(found[name]["metric"], _arm(arm, where))
    for name in {"over", "average"} & set(found):
        found[name] = {key: tuple(values) for key, values in found[name].items()}
    return _build(Group, found, where)


def _build(cls: type[T], content: Mapping[str, Any], where: str) -> T:
    """Return a dataclass from a mapping, its nested parts built too. Raises ConfigError for unknown or missing keys."""
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(content) - set(known))
    missing = [
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING and name not in content
    ]
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; keys are {', '.join(known)}")
    if missing:
        raise ConfigError(f"{where}: {missing[0]!r} is missing")
    values = {name: _convert(cls, name, value, where) for name, value in content.items()}
    return cls(**values)


def _convert(cls: type[Any], name: str, value: Any, where: str) -> Any:
    if name in ("parts", "beside"):
        return tuple(_group(entry, where) for entry in value)
    if name == "power":
        return tuple(_build(Power, entry, where) for entry in value)
    if name == "margins":
        return {str(claim): float(margin) for claim, margin in value.items()}
    if name in ("claims", "primary", "excludes", "augs", "students", "studies"):
        return tuple(str(entry) for entry in value)
    return str(value) if name == "id" else value
