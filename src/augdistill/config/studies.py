"""The group `study` and the whole config of the command: a grid of choices, and what its report is to answer."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Lt, MaxLen, MinLen
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from augdistill.base.checks import is_name, is_prefixed
from augdistill.base.model import AsText, Many
from augdistill.config.base import (
    AtLeastOne,
    Chosen,
    Count,
    Group,
    Text,
    Whole,
    by_name,
    dotted,
    unknown,
    with_parameters,
    without_repeats,
    wrong,
)
from augdistill.config.executors import TheExecutor
from augdistill.config.factors import EXAMPLE, Factor, FactorialDesign, FactorName, check_factors
from augdistill.config.groups import (
    Aug,
    Machine,
    Model,
    Op,
    TheAug,
    TheDataset,
    TheDistillation,
    TheOptim,
    Threads,
    parameters_of_each,
    strategies,
)
from augdistill.config.jobs import Trackers, watched
from augdistill.config.shift import ManyAttacks, ManyCorruptions, ManyUnknown

BASELINE = "baseline"
LABELS = "labels"  # the control that has no teacher
MATCHING = "matching"  # among the students' own strategies: those of their teachers


class TrainedModel(Model):
    """A network by name, with its own parameters and the recipe that trains it."""

    optim: TheOptim


StudyTeacher = Annotated[TrainedModel, by_name(TrainedModel, "teacher"), Chosen("teacher")]
StudyStudent = Annotated[TrainedModel, by_name(TrainedModel, "student"), Chosen("student")]


class ThreadsOfKinds(Group):
    """CPU threads of each kind of stage."""

    teacher: Threads = 2
    student: Threads = 1


class StudyRuntime(Machine):
    """Where and how a study's jobs run."""

    threads: ThreadsOfKinds = ThreadsOfKinds()


def as_stacks(value: object) -> object:
    """Return names and lists of names, or one name, as a list of stacks: strategies joined with "+"."""
    if isinstance(value, list | tuple):
        return [as_stack(entry) for entry in value]
    return [value] if isinstance(value, str) else value


def as_stack(value: object) -> object:
    """Return a list of names as that of the stack."""
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return "+".join(value)
    return value


def is_stack(name: str, info: ValidationInfo) -> str:
    """Return the name of a stack of strategies, joined with "+", each known and there once."""
    stacks: Mapping[str, Aug] = info.data.get("stacks", {})
    parts = [part for part in name.split("+") if part != BASELINE]  # which adds nothing to others
    for part in parts:
        if part not in stacks and part not in strategies() and not is_prefixed(part):
            raise unknown(part, [BASELINE, *strategies(), *stacks])
    ops = [op for part in parts for op in (stacks[part].ops if part in stacks else [part])]
    if len(set(ops)) < len(ops):
        raise wrong("each strategy of a stack once", "", name, [BASELINE, "cutmix"])
    return "+".join(parts) or BASELINE


def is_own_stack(name: str, info: ValidationInfo) -> str:
    """Return the name of students' own strategies: a stack, or those of their teachers."""
    known = (BASELINE, MATCHING, *strategies(), *info.data.get("stacks", {}))
    if name not in known and "+" not in name and not is_prefixed(name):
        raise unknown(name, known)
    return name if name == MATCHING else is_stack(name, info)


def is_a_name(value: str) -> str:
    """Return a name that can be that of a folder."""
    if not is_name(value):
        raise wrong("letters, digits and . _ + - are allowed, 200 at most", "", value, "mine")
    return value


def of_known_arms(arms: object, info: ValidationInfo) -> object:
    """Return groups of values by arm, each of which is a stack of strategies, or the control on labels."""
    for name, values in arms.items() if isinstance(arms, Mapping) else ():
        if name != LABELS:
            is_stack(name, info)
        if not isinstance(values, Mapping):
            raise wrong("a group of keys", name, values, {"optim": {"lr": 0.02}})
    return arms


def as_ensembles(value: object) -> object:
    """Return lists of strategies as lists of stacks, each written with "+"."""
    return [as_stack(name) for name in value] if isinstance(value, list | tuple) else value


OfSeveral = Annotated[Many[Text], BeforeValidator(as_ensembles), AfterValidator(without_repeats), MinLen(2)]
Claim = Annotated[Text, AsText]
Name = Annotated[str, AfterValidator(is_a_name)]
Stacks = Annotated[
    Many[Annotated[str, AfterValidator(is_stack)]],
    BeforeValidator(as_stacks),
    AfterValidator(without_repeats),
    MinLen(1),
]
OwnStacks = Annotated[
    Many[Annotated[str, AfterValidator(is_own_stack)]],
    BeforeValidator(as_stacks),
    AfterValidator(without_repeats),
    MinLen(1),
]
Cells = Annotated[Many[Any], MinLen(1)]
GRID = [{"distillation.temperature": [1, 4]}]


class Study(Group):
    """What a study consists of, and what its report is to answer; conf/study.yaml says what each key means."""

    name: Name = Field(examples=["mine"])
    dataset: TheDataset
    teacher: StudyTeacher
    students: Annotated[dict[Name, StudyStudent], MinLen(1)] = Field(examples=[Whole("study.students=[lenet]")])
    stacks: dict[Name, TheAug] = Field(default={}, examples=[Whole("+study.stacks.strong.ops.cutmix.prob=1.0")])
    aug: Stacks = Field(examples=[["baseline", "cutmix"]])
    student_aug: OwnStacks = Field(default=("baseline",), examples=[["baseline", "matching"]])
    ops: Annotated[dict[str, Op], BeforeValidator(parameters_of_each)] = Field(
        default={}, examples=[Whole("+study.ops.cutmix.prob=1.0")]
    )
    imported: Annotated[Many[Name], AfterValidator(without_repeats)] = Field(default=(), examples=[["theirs"]])
    teachers: Annotated[Many[OfSeveral], AfterValidator(without_repeats)] = Field(
        default=(), examples=[[["baseline", "mixup"]]]
    )
    distillation: TheDistillation
    arms: Annotated[dict[str, dict[str, Any]], BeforeValidator(of_known_arms)] = Field(
        default={}, examples=[Whole("study.arms.cutmix.optim.lr=0.02")]
    )
    grids: Annotated[Many[dict[str, Cells]], BeforeValidator(lambda value: [] if value is None else value)] = Field(
        default=(), examples=[GRID]
    )
    factors: dict[FactorName, Factor] = Field(default={}, examples=[EXAMPLE])
    design: FactorialDesign = FactorialDesign()
    normalisation: Literal["training", "own"] = "training"
    corruptions: ManyCorruptions = Field(default=(), examples=[["made"]])
    attacks: ManyAttacks = Field(default=(), examples=[["pgd"]])
    unknown: ManyUnknown = Field(default=(), examples=[["noise"]])
    costs: bool = False
    blocks: AtLeastOne = 5
    first_block: Count = 0
    students_per_teacher: AtLeastOne = 1
    runtime: StudyRuntime
    claims: Annotated[Many[Claim], AfterValidator(without_repeats)] = Field(default=(), examples=[["1", "2"]])
    claims_file: Text | None = Field(default=None, examples=["claims.yaml"])
    primary: Annotated[Many[Claim], AfterValidator(without_repeats)] | None = Field(default=None, examples=[["2"]])
    margins: dict[Claim, Annotated[float, Gt(0), Lt(1e6)]] = Field(
        default={}, examples=[Whole("+study.margins={7a: 0.5}")]
    )
    base: Annotated[Annotated[str, AfterValidator(is_stack)] | None, BeforeValidator(as_stack)] = Field(
        default=BASELINE, examples=[BASELINE]
    )
    dead_units: Literal["keep", "collapsed"] = "keep"
    looks: Annotated[int, Ge(1), Lt(1000)] = 1
    test_set: Name | None = Field(default=None, examples=["digits-test"])
    question: Annotated[Text, MaxLen(300)] | None = Field(default=None, examples=["Does it help?"])

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if taken := [name for name in self.imported if name in (*self.aug, LABELS)]:
            raise wrong(f"{taken[0]} is a strategy of this study, too", "imported", list(self.imported), [])
        for member in (name for members in self.teachers for name in members):
            if member not in self.aug:
                raise wrong(f"members of an ensemble are of study.aug: {', '.join(self.aug)}", "teachers", member,
                            [list(self.aug[:2])])  # fmt: skip
        if self.teachers and {*self.student_aug} != {BASELINE} and self.distillation.view != "clean":
            raise wrong("of several teachers, whose outputs are stored, clean", "distillation.view",
                        self.distillation.view, "clean")  # fmt: skip
        if self.base is not None and self.base not in self.aug:
            arms = ", ".join(self.aug)
            raise wrong(f"the strategy that others are judged against is one of study.aug: {arms}", "base", self.base,
                        self.aug[0])  # fmt: skip
        for same, other in itertools.combinations(dict.fromkeys([*self.aug, *self.student_aug]), 2):
            if MATCHING not in (same, other) and self.stack_of(same) == self.stack_of(other):
                raise wrong(f"{same} and {other} are the same strategies with the same parameters", "aug",
                            list(self.aug), list(self.aug[:1]))  # fmt: skip
        models = {"teacher": self.teacher, **{f"students.{name}": model for name, model in self.students.items()}}
        for key, model in models.items():
            watched(model.optim, self.dataset.validation, f"{key}.optim.stop_accuracy")
        if self.factors and self.grids:
            raise wrong("a study has factors or grids, not both", "grids", list(self.grids), [])
        check_factors(self.factors, self.design, self.blocks, self.aug, self.reference)
        if self.test_set == "validation" and self.dataset.validation == 0:
            raise wrong("it needs held-out images, study.dataset.validation above 0", "test_set", self.test_set)
        return self

    def values_of(self, arm: str) -> dict[str, Any]:
        """Return the values that one arm has of its own, by their dotted keys in a "student" config."""
        return dotted(self.arms.get(arm, {}))

    @property
    def ensembles(self) -> dict[str, tuple[str, ...]]:
        """The members of each ensemble, by the name that its arm has."""
        return {f"ensemble-{'-'.join(members).replace('+', '.')}": members for members in self.teachers}

    @property
    def reference(self) -> str:
        """The strategy that the others are judged against."""
        return self.base or (BASELINE if BASELINE in self.aug else self.aug[0])

    def stack_of(self, stack: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the strategies of a stack in their order."""
        return list(self.parameters_of(stack).items())

    def parameters_of(self, stack: str) -> dict[str, dict[str, Any]]:
        """Return the strategies of a stack with the study's own parameters."""
        found: dict[str, Op] = {}
        for part in [] if stack == BASELINE else stack.split("+"):
            if part in self.stacks:
                found |= self.stacks[part].ops
            else:
                default = with_parameters(Op, "aug", part)
                # which class it is, the name decides
                found[part] = self.ops.get(part) or default()  # type: ignore[assignment]
        return {name: op.plain() for name, op in found.items()}


class StudyConfig(Group):
    """The whole config of the command `study`."""

    outputs: Text = Field(examples=["outputs"])
    wait: bool = True
    dry_run: bool = False
    tracker: Trackers = Field(default=(), examples=[["tensorboard"]])
    executor: TheExecutor
    study: Annotated[Study, Chosen("study")]
