"""The whole config of every command that composes one, by its name."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from augdistill.base.checks import is_name
from augdistill.config.base import ByName, Chosen, Group, Text, Whole, by_name, wrong
from augdistill.config.groups import Dataset, TheDataset, TheRuntime
from augdistill.config.jobs import Means, Side, Stds, StudentConfig, TeacherConfig, Trackers
from augdistill.config.shift import Attack, ManyCorruptions, ManyUnknown
from augdistill.config.studies import StudyConfig


class TrainTeacherCommand(TeacherConfig):
    """A teacher's job, whether to wait where another process makes it, to evaluate it at once, and who is told."""

    wait: bool = True
    evaluate: bool = True
    tracker: Trackers = Field(default=(), examples=[["tensorboard"]])


class DistillCommand(StudentConfig):
    """A student's job, whether to wait where another process makes it, to evaluate it at once, and who is told."""

    wait: bool = True
    evaluate: bool = True
    tracker: Trackers = Field(default=(), examples=[["tensorboard"]])


class Command(Group):
    """What every command has."""

    outputs: Text = Field(examples=["outputs"])
    wait: bool = True


class AsTrained(Group):
    """Each run's own dataset; what is not None is changed in it."""

    name: None = None
    root: Text | None = Field(default=None, examples=["data"])
    verify: bool | None = Field(default=None, examples=[False])
    path: Text | None = Field(default=None, examples=["photos"])


class RunsOwn(ByName):
    """Finds a dataset by its name, and what is changed in each run's own where it has none."""

    def find(self, value: object) -> type[Group] | None:
        if isinstance(value, Mapping) and value.get("name", 0) is None:
            return AsTrained
        return super().find(value)


BY_NAME = by_name(Dataset, "dataset")


class EvaluateCommand(Command):
    """Evaluates runs, or scores predictions that something else made."""

    dataset: Annotated[Group, RunsOwn(BY_NAME.known, BY_NAME.model), Chosen("dataset")]
    runtime: TheRuntime
    run: Text | None = Field(default=None, examples=["teacher-digits-resnet18-baseline-s0-1f2e3d4c"])
    predictions: Text | None = Field(default=None, examples=["predictions.npz"])
    normalisation: Literal["training", "own"] = "training"
    corruptions: ManyCorruptions = Field(default=(), examples=[["made"]])
    unknown: ManyUnknown = Field(default=(), examples=[["noise"]])
    all: bool = False


class EvaluateAttackCommand(Command):
    """Attacks runs, and says how accurate they still are."""

    dataset: Annotated[Group, RunsOwn(BY_NAME.known, BY_NAME.model), Chosen("dataset")]
    runtime: TheRuntime
    run: Text | None = Field(default=None, examples=["teacher-digits-resnet18-baseline-s0-1f2e3d4c"])
    source: Text | None = Field(default=None, examples=["student-digits-lenet-labels-s0-1f2e3d4c"])
    attack: Annotated[Attack, Chosen("attack")]


class ImportTeacherCommand(Command):
    """A teacher from elsewhere: a file of weights and what they are of, or one of predictions."""

    dataset: TheDataset
    runtime: TheRuntime
    name: Text | None = Field(default=None, examples=["theirs"])
    weights: Text | None = Field(default=None, examples=["resnet18.safetensors"])
    architecture: Text | None = Field(default=None, examples=["torchvision/resnet18"])
    parameters: dict[str, Any] = Field(default={}, examples=[Whole("+parameters.width=16")])
    mean: Means = Field(default=None, examples=[[0.485, 0.456, 0.406]])
    std: Stds = Field(default=None, examples=[[0.229, 0.224, 0.225]])
    size: Side = Field(default=None, examples=[224])
    predictions: Text | None = Field(default=None, examples=["logits.npy"])

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.name is not None and (not is_name(self.name) or "+" in self.name):
            raise wrong("letters, digits and . _ -", "name", self.name, "theirs")
        if (self.mean is None) != (self.std is None):
            key = "mean" if self.std is None else "std"
            raise wrong("give mean and std, or neither", key, list(getattr(self, key)))
        return self


COMMANDS: dict[str, type[Group]] = {
    "train-teacher": TrainTeacherCommand,
    "distill": DistillCommand,
    "study": StudyConfig,
    "evaluate": EvaluateCommand,
    "evaluate-attack": EvaluateAttackCommand,
    "import-teacher": ImportTeacherCommand,
}
