"""What models are evaluated under beside their test sets: corruptions, attacks, unknown images."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from augdistill.base.checks import is_name
from augdistill.base.model import Many
from augdistill.config.base import AtLeastOne, Count, Fraction, Group, Positive, unknown, wrong
from augdistill.config.places import choices, parameters, written

MADE = "made"  # corruptions of a dataset's own test images, made here
PUBLISHED = {"cifar10-c": "cifar10", "cifar100-c": "cifar100"}  # sets of files -> the dataset that they are about
NOISE = "noise"  # unknown images of which every pixel is drawn
HELD_OUT = "held-out"  # unknown images of the classes that `dataset.classes` leaves out
MADE_SET = "made-corruptions"


def rising(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return numbers that rise."""
    if list(values) != sorted(set(values)):
        raise wrong("rising numbers", "", list(values), sorted(set(values)))
    return values


Severities = Annotated[Many[Annotated[int, Ge(1), Le(5)]], MinLen(1), AfterValidator(rising)]
Radii = Annotated[Many[Annotated[float, Gt(0), Le(1e6)]], MinLen(1), AfterValidator(rising)]
Images = Annotated[AtLeastOne | None, Field(examples=[1000])]


class Corruptions(Group):
    """A set of corrupted test images: made here, or published; `images` of them, of each class alike, None all."""

    kind: Literal["corruptions"] = "corruptions"
    name: Literal["made", "cifar10-c", "cifar100-c"] = Field(examples=[MADE])
    severities: Severities = (1, 2, 3, 4, 5)
    images: Images = None

    def called(self, test_set: str) -> str:
        """Return the name that it has in results, beside a dataset's own test set."""
        return f"{test_set}+{MADE_SET}" if self.name == MADE else self.name


class Attack(Group):
    """Steps up the gradient of the loss, within `radii` of 255 (a pixel's whole range) by a norm.

    A step is `step` radii over the number of steps long. `images` of the test set, of each class alike, are attacked.
    """

    kind: Literal["attack"] = "attack"
    name: Annotated[str, AfterValidator(lambda value: plain_name(value))] = Field(examples=["pgd"])
    norm: Literal["linf", "l2"] = "linf"
    radii: Radii = (1.0, 2.0, 4.0, 8.0)
    steps: Annotated[int, Ge(1), Le(10_000)] = 20
    restarts: Annotated[int, Ge(1), Le(1000)] = 1
    step: Positive = 2.5
    random_start: bool = True
    images: Images = 1000
    seed: Count = 0

    @model_validator(mode="after")
    def restarts_differ(self) -> Self:
        if self.restarts > 1 and not self.random_start:
            raise wrong("1 without random_start: all would be the same", "restarts", self.restarts, 1)
        return self

    def called(self, test_set: str) -> str:
        """Return the name that it has in results, beside a dataset's own test set."""
        return f"{test_set}+{self.name}"


class Unknown(Group):
    """Images of no known class beside the model's own test images: another dataset's test images, or noise.

    Or held-out: those test images of its own dataset whose classes it does not know.

    At most `images` of either are looked at. The nearest `neighbours`, a share, are looked for among `reference`
    training images, at least one.
    """

    kind: Literal["unknown"] = "unknown"
    name: Annotated[str, AfterValidator(lambda value: known_images(value))] = Field(examples=["mnist"])
    images: Images = 10_000
    reference: AtLeastOne = 5_000
    neighbours: Fraction = 0.001

    def called(self, test_set: str) -> str:
        """Return the name that it has in results, beside a dataset's own test set."""
        return f"{test_set}+unknown-{self.name}"


def plain_name(value: str) -> str:
    """Return a name that can be part of that of a folder."""
    if not is_name(value) or "+" in value:
        raise wrong("letters, digits and . _ -", "", value, "pgd")
    return value


def known_images(value: str) -> str:
    """Return the name of a dataset with a YAML file, of noise, or of what the model's own leaves out."""
    known = [
        NOISE,
        HELD_OUT,
        *(name for name in choices("dataset") if written("dataset", name).get("name") is not None),
    ]
    if value not in known:
        raise unknown(value, known)
    return value


def by_file(value: object) -> object:
    """Return an attack as a group: a name alone, or a group with the name, has the values of its YAML file.

    One with a name of its own says how many steps it takes, so that no slip of the finger is an attack.
    """
    group = {"name": value} if isinstance(value, str) else value
    if not isinstance(group, Mapping):
        return group
    name = group.get("name")
    if name in choices("attack"):
        return {**parameters("attack", str(name)), **group}
    if "steps" not in group:
        raise unknown(name, choices("attack"))
    return group


def as_list(value: object) -> object:
    """Return one as a list of one."""
    return [value] if isinstance(value, str | Mapping) else value


def each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return groups of which no two have one name."""
    names = [value.name for value in values]
    if len(set(names)) < len(names):
        raise wrong("each name once: give one of them a name of its own", "", names, list(dict.fromkeys(names)))
    return values


Under = Annotated[Corruptions | Attack | Unknown, Field(discriminator="kind")]
AsGroup = BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)
TheAttack = Annotated[Attack, BeforeValidator(by_file)]
ManyCorruptions = Annotated[Many[Annotated[Corruptions, AsGroup]], BeforeValidator(as_list), AfterValidator(each_once)]
ManyAttacks = Annotated[Many[TheAttack], BeforeValidator(as_list), AfterValidator(each_once)]
ManyUnknown = Annotated[Many[Annotated[Unknown, AsGroup]], BeforeValidator(as_list), AfterValidator(each_once)]
