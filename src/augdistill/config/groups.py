"""The groups that jobs are made of: dataset, optim, distillation, runtime, strategies, models."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from augdistill.base.checks import CHECKPOINTS, checkpoint_every, is_prefixed
from augdistill.base.errors import ConfigError
from augdistill.base.model import Many
from augdistill.base.text import dataset_label
from augdistill.config.base import (
    AtLeastOne,
    Chosen,
    Count,
    Fraction,
    Group,
    Named,
    NotNegative,
    Positive,
    Text,
    by_name,
    unknown,
    with_parameters,
    wrong,
)
from augdistill.config.places import choices


class Dataset(Named):
    """What every dataset has; `mean` and `std` are per channel in 0..1, None as measured on the training set."""

    root: Text = Field(default="data", examples=["data"])
    verify: bool = True
    mean: Many[Annotated[float, Ge(-1e3), Le(1e3)]] | None = None
    std: Many[Annotated[float, Gt(0), Le(1e3)]] | None = None
    validation: Count = 0
    test_sets: Many[Text] = ()

    @model_validator(mode="after")
    def has_both_statistics_or_none(self) -> Self:
        if (self.mean is None) != (self.std is None):
            key, values = ("mean", self.mean) if self.std is None else ("std", self.std)
            raise wrong("give mean and std, or neither", key, list(values or []))
        for key, values in (("mean", self.mean), ("std", self.std)):
            if values == ():
                raise wrong("null, or a number for each channel", key, [])
        return self

    @property
    def label(self) -> str:
        """What it is called in names and tables: a user's own folder by the last part of its path too."""
        return dataset_label({"name": self.name, "path": getattr(self, "path", None)})

    def reader_arguments(self, outputs: str) -> dict[str, Any]:
        """Return the keyword arguments that open it: where it lies, its cache, its reader's parameters."""
        where = {"root": Path(self.root), "cache": Path(outputs) / "cache", "verify": self.verify}
        return {**where, **self.parameters()}


def as_now_spelt(select: object) -> object:
    """Return a selection as it is spelt now, which was "best-test" while the test accuracy alone could select."""
    return "best-test-accuracy" if select == "best-test" else select


class Optim(Group):
    """SGD and its schedule. Rates are per step, lengths in epochs; `clip_norm` is None or a gradient norm.

    A one-cycle schedule warms up for `warmup_share` of all steps, the others for `warmup_epochs`.
    `select` says whose epoch's weights are kept: the last one's, or the first of those that are best on the test set.
    `stop_accuracy` is None or the validation accuracy at whose first epoch training ends; the schedule stays as it is.
    """

    epochs: Annotated[int, Ge(1), Lt(10**6)] = Field(examples=[200])
    batch_size: AtLeastOne = 128
    lr: Annotated[float, Gt(0), Lt(1000)] = Field(examples=[0.1])
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    nesterov: bool = True
    weight_decay: NotNegative = Field(default=0.0, examples=[0.0005])
    schedule: Literal["cosine", "multistep", "constant", "one-cycle"] = "cosine"
    milestones: Many[Annotated[int, Ge(0), Lt(10**6)]] = Field(default=(), examples=[[60, 120, 160]])
    gamma: Positive = 0.1
    warmup_epochs: NotNegative = Field(default=0.0, examples=[1])
    warmup_share: Fraction = 0.2
    clip_norm: Positive | None = Field(default=None, examples=[2.0])
    select: Annotated[Literal["last", "best-test-loss", "best-test-accuracy"], BeforeValidator(as_now_spelt)] = "last"
    stop_accuracy: Annotated[float, Gt(0), Le(1)] | None = Field(default=None, examples=[None])

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise wrong("needs momentum above 0", "nesterov", True, False)
        if list(self.milestones) != sorted(set(self.milestones)):
            raise wrong("rising epochs", "milestones", list(self.milestones), [60, 120, 160])
        if self.warmup_epochs > self.epochs:
            raise wrong(f"0 to optim.epochs, {self.epochs}", "warmup_epochs", self.warmup_epochs, 0)
        return self


class Loss(Named):
    """A student loss by name, with its own parameters."""


AsGroup = BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)  # of a name alone
TheLoss = Annotated[Loss, by_name(Loss, "loss"), AsGroup, Chosen("loss")]
SOFT_TARGETS = (
    "view",
    "transform",
    "sd",
    "teacher",
    "ensemble",
    "teacher_weights",
)  # of a distillation: what is learnt from
WEIGHTS = ("alpha", "label_weight", "mixed_labels")  # of a distillation: how much of the label, how much of the teacher


def as_one_text(names: object) -> object:
    """Return a list of two names or more as it is typed, [a,b]."""
    if isinstance(names, list | tuple) and len(names) > 1 and all(isinstance(name, str) for name in names):
        return f"[{','.join(names)}]"
    return names


class Distillation(Group):
    """How a student learns from a teacher; `alpha` weights the teacher's term, 0 trains on labels alone.

    `label_weight` is that of the label's term, None for 1 - alpha.
    """

    alpha: NotNegative = 0.5
    label_weight: NotNegative | None = Field(default=None, examples=[0.1])
    temperature: Annotated[float, Ge(1e-6), Le(1e9)] = 20.0
    loss: TheLoss = Field(default="kd", validate_default=True, examples=["kd"])
    view: Literal["same", "clean", "independent"] = "same"
    transform: Literal["none", "rescale", "zscore", "class-mean"] = "none"
    sd: Positive | None = None
    teacher: Annotated[Text | None, BeforeValidator(as_one_text)] = None
    ensemble: Literal["probabilities", "logits"] = "probabilities"
    teacher_weights: Literal["trained", "untrained"] = "trained"
    mixed_labels: Literal["mixed", "teacher-only", "none"] = "mixed"
    inputs: Literal["augmented", "both"] = "augmented"

    @model_validator(mode="after")
    def leaves_the_label_a_weight(self) -> Self:
        if self.alpha > 1 and self.label_weight is None:
            allowed = "a number, 0 or more, at most 1 unless distillation.label_weight is given"
            raise wrong(allowed, "alpha", self.alpha)
        return self

    @model_validator(mode="after")
    def rescales_to_sd(self) -> Self:
        if self.sd is not None and self.transform != "rescale":
            raise wrong("null, or with distillation.transform=rescale the wanted s.d., above 0", "sd", self.sd)
        return self

    @model_validator(mode="after")
    def has_one_teacher_or_distinct_ones(self) -> Self:
        if len(self.teachers) > 1:
            if len(set(self.teachers)) < len(self.teachers) or not all(self.teachers):
                raise wrong("names of different teachers, with commas between them", "teacher", self.teacher, "[a,b]")
            if self.transform == "rescale" and self.sd is None:
                raise wrong("of several teachers the wanted s.d., above 0", "sd", self.sd, 3.0)
            if self.teacher_weights == "untrained":
                raise wrong("trained, of several teachers", "teacher_weights", self.teacher_weights, "trained")
        return self

    @property
    def teachers(self) -> tuple[str, ...]:
        """The teachers that `teacher` names, several as [a,b]."""
        named = "" if self.teacher is None else self.teacher.strip().removeprefix("[").removesuffix("]")
        return tuple(name.strip() for name in named.split(",")) if named else ()

    @property
    def weights(self) -> tuple[float, float]:
        """The weights of the label's cross-entropy and of the teacher's term; of labels alone 1 and 0."""
        if self.alpha > 0 and self.mixed_labels == "none":
            return 0.0, self.alpha
        return 1 - self.alpha if self.label_weight is None or self.alpha == 0 else self.label_weight, self.alpha

    def loss_parameters(self) -> dict[str, Any]:
        """Return the keyword arguments of the loss: its own, and all fields that nothing else is known to read.

        So a field added later is refused by a loss that does not know it, and not passed over.
        """
        known = (*WEIGHTS, "temperature", "loss", "inputs", *SOFT_TARGETS)
        return {key: value for key, value in self if key not in known} | self.loss.parameters()


def spelt(value: object) -> object:
    """Return a truth value as the word that it was before YAML made it one."""
    return str(value).lower() if isinstance(value, bool | str) else value


def is_time(text: str) -> str:
    """Return `text` if it says how often checkpoints are made."""
    try:
        checkpoint_every(text)
    except ConfigError:
        raise wrong(CHECKPOINTS.split(",")[0], "", text, "5min") from None
    return text


class Machine(Group):
    """Where and how all jobs of a study run; only `precision` (as asked for) enters a run's identity."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    deterministic: bool = False
    checkpoint_every: Annotated[str, AfterValidator(is_time)] = "5min"
    cuda_graphs: Annotated[Literal["auto", "true", "false"], BeforeValidator(spelt)] = "auto"

    @model_validator(mode="after")
    def has_graphs_on_cuda_alone(self) -> Self:
        if self.cuda_graphs == "true" and self.device == "cpu":
            raise wrong("this job runs on a CPU: auto or false", "cuda_graphs", "true", "auto")
        return self


Threads = Annotated[int, Ge(1), Le(1024)]


class Runtime(Machine):
    """Where and how a job runs, on so many CPU threads."""

    threads: Threads = 1


class Op(Group):
    """A strategy's own parameters."""


def parameters_of_each(ops: object) -> object:
    """Return strategy -> its checked parameters, in their order."""
    if ops is None:
        return {}
    if not isinstance(ops, Mapping):
        return ops
    known = strategies()
    for name in ops:
        if name not in known and not is_prefixed(name):  # what no plugin here adds is refused where it is used
            raise unknown(name, known)
    checked = models_of(tuple(ops)).model_validate(dict(ops))
    return {name: getattr(checked, name) for name in ops}


@cache
def models_of(names: tuple[str, ...]) -> type[Group]:
    """Return a model with a field for each of these strategies, so that a refusal names the strategy."""
    fields: dict[str, Any] = {name: (with_parameters(Op, "aug", name), None) for name in names}
    return create_model("strategies", __base__=Group, **fields)


def strategies() -> tuple[str, ...]:
    """Return the names of all strategies that do something."""
    return tuple(name for name in choices("aug") if name != "baseline")


class Aug(Group):
    """A stack of strategies, in the order of application."""

    ops: Annotated[dict[str, Op], BeforeValidator(parameters_of_each), Chosen("aug", inside=True)]

    @property
    def name(self) -> str:
        """The names of its strategies, joined: "baseline" where there are none."""
        return "+".join(self.ops) or "baseline"

    def listed(self) -> list[list[Any]]:
        """Return the strategies in their order, as [name, parameters]."""
        return [[name, op.plain()] for name, op in self.ops.items()]


class Model(Named):
    """A network by name, with its own parameters."""


TheDataset = Annotated[Dataset, by_name(Dataset, "dataset"), Chosen("dataset")]
TheTeacher = Annotated[Model, by_name(Model, "teacher"), Chosen("teacher")]
TheStudent = Annotated[Model, by_name(Model, "student"), Chosen("student")]
TheOptim = Annotated[Optim, Chosen("optim")]
TheAug = Annotated[Aug, Chosen("aug")]
TheDistillation = Annotated[Distillation, Chosen("distillation")]
TheRuntime = Annotated[Runtime, Chosen("runtime")]
