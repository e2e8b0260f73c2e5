"""The whole config of every command, by its name."""

from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Gt, Le
from pydantic import Field

from augdistill.config.base import ByName, Chosen, Group, Many, Text, before, by_name
from augdistill.config.groups import Dataset, TheRuntime
from augdistill.config.jobs import StudentConfig, TeacherConfig
from augdistill.config.studies import StudyConfig, as_list


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


class Root(Group):
    """Where data lie."""

    root: Text = Field(examples=["data"])


class RunsCommand(Command):
    """Lists, shows, verifies or removes runs."""

    action: Literal["list", "show", "verify", "remove"] = "list"
    target: Text | None = Field(default=None, examples=["teacher"])
    watch: bool = False
    watch_seconds: Annotated[float, Gt(0), Le(86400)] = 2


class DataCommand(Command):
    """Says which datasets are there, or fetches one."""

    action: Literal["status", "fetch"] = "status"
    target: Text | None = Field(default=None, examples=["cifar10"])
    dataset: Root


class ReportCommand(Command):
    """Writes the page of studies."""

    studies: Annotated[Many[Text], before(as_list)] = Field(examples=["quickstart"])


class CompareCommand(Command):
    """Compares two arms of a study."""

    studies: Text = Field(examples=["quickstart"])
    a: Text | None = Field(default=None, examples=["teacher_aug=cutmix"])
    b: Text | None = Field(default=None, examples=["teacher_aug=baseline"])
    metric: Text = Field(default="accuracy", examples=["accuracy"])
    test_set: Text | None = Field(default=None, examples=["digits-test"])
    paired: bool | None = None
    classes: bool = False


class DoctorCommand(Command):
    """Says what this machine has."""

    runtime: TheRuntime
    dataset: Root


COMMANDS: dict[str, type[Group]] = {
    "train-teacher": TrainTeacherCommand,
    "distill": DistillCommand,
    "study": StudyConfig,
    "evaluate": EvaluateCommand,
    "runs": RunsCommand,
    "data": DataCommand,
    "report": ReportCommand,
    "compare": CompareCommand,
    "doctor": DoctorCommand,
}
