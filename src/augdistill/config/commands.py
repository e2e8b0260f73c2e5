"""The whole config of every command that composes one, by its name."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from augdistill.config.base import ByName, Chosen, Group, Text, by_name
from augdistill.config.groups import Dataset, TheRuntime
from augdistill.config.jobs import StudentConfig, TeacherConfig
from augdistill.config.studies import StudyConfig


class TrainTeacherCommand(TeacherConfig):
    """A teacher's job, and whether to wait where another process makes it."""

    wait: bool = True


class DistillCommand(StudentConfig):
    """A student's job, and whether to wait where another process makes it."""

    wait: bool = True


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


COMMANDS: dict[str, type[Group]] = {
    "train-teacher": TrainTeacherCommand,
    "distill": DistillCommand,
    "study": StudyConfig,
    "evaluate": EvaluateCommand,
}
