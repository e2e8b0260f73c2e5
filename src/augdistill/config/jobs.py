"""The whole configs of jobs: of a teacher, a student, an evaluation, one under shift, and of measuring a network."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from augdistill.base.model import Many
from augdistill.config.base import Group, Seed, Text, without_repeats, wrong
from augdistill.config.groups import (
    Aug,
    Dataset,
    Model,
    Optim,
    TheAug,
    TheDataset,
    TheDistillation,
    TheOptim,
    TheRuntime,
    TheStudent,
    TheTeacher,
)
from augdistill.config.shift import Under

Trackers = Annotated[
    Many[Literal["tensorboard", "mlflow", "wandb"]],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    AfterValidator(without_repeats),
]


class ModelConfig(Group):
    """What the config of every job that trains a model has; `kind` and `aug_key` are those of the model it trains."""

    kind: ClassVar[str]
    aug_key: ClassVar[str]

    seed: Seed = Field(examples=[0])
    outputs: Text = Field(examples=["outputs"])
    dataset: TheDataset
    aug: TheAug
    teacher: TheTeacher
    optim: TheOptim
    runtime: TheRuntime

    @model_validator(mode="after")
    def has_images_to_watch(self) -> Self:
        for key in ("optim", "teacher_optim"):
            optim = getattr(self, key, None)
            if isinstance(optim, Optim):
                watched(optim, self.dataset.validation, f"{key}.stop_accuracy")
        return self

    @property
    @abstractmethod
    def model(self) -> Model:
        """The network that is trained."""

    @property
    @abstractmethod
    def own_aug(self) -> Aug:
        """The strategies that it is trained under."""


class TeacherConfig(ModelConfig):
    """A teacher: a model trained on a dataset under a stack of strategies."""

    kind, aug_key = "teacher", "aug"

    @property
    def model(self) -> Model:
        return self.teacher

    @property
    def own_aug(self) -> Aug:
        return self.aug


class StudentConfig(ModelConfig):
    """A student, and all that names the teacher it learns from; `aug` is the teacher's, `student_aug` its own."""

    kind, aug_key = "student", "student_aug"

    teacher_optim: TheOptim
    teacher_seed: Seed = Field(examples=[0])
    student: TheStudent
    student_aug: TheAug
    distillation: TheDistillation

    @property
    def model(self) -> Model:
        return self.student

    @property
    def own_aug(self) -> Aug:
        return self.student_aug


Means = Many[Annotated[float, Ge(-1e3), Le(1e3)]] | None
Stds = Many[Annotated[float, Gt(0), Le(1e3)]] | None
Side = Annotated[int, Ge(8), Le(1024)] | None


class Imported(Group):
    """What a teacher from elsewhere is: its name, the SHA-256 of its content, how it is built, where it came from.

    `mean`, `std` and `size` are its own preprocessing; None is that of the data.
    """

    name: Text
    form: Literal["weights", "outputs"]
    content: Text
    file: Text
    architecture: Text | None = None
    parameters: dict[str, Any] = Field(default={})
    size: Side = None
    mean: Means = None
    std: Stds = None

    @property
    def model(self) -> str:
        """What it is called in names of folders and in tables."""
        return self.architecture or "outputs"


class ImportedConfig(Group):
    """What the run of an imported teacher says of it: it was trained elsewhere."""

    kind: ClassVar[str] = "teacher"

    outputs: Text
    dataset: TheDataset
    runtime: TheRuntime
    imported: Imported


class EvaluationRuntime(Group):
    """Where an evaluation runs; its precision is that of its run."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Ge(1), Le(1024)] = 1


class EvaluationConfig(Group):
    """An evaluation of the run in a folder on a test set; root, verify and path None: data as the run was trained.

    `normalisation` "own" is by the statistics of the test set's own YAML.
    """

    run: str
    test_set: Text
    outputs: Text
    root: str | None = None
    verify: bool | None = None
    path: str | None = None
    normalisation: Literal["training", "own"] = "training"
    runtime: EvaluationRuntime = EvaluationRuntime()


class ShiftConfig(Group):
    """An evaluation of the run in a folder `under` corruptions, an attack, or beside unknown images.

    `source` is the folder of a run whose gradients make the images of a transferred attack.
    """

    run: str
    outputs: Text
    under: Under
    source: str | None = None
    root: str | None = None
    verify: bool | None = None
    path: str | None = None
    runtime: EvaluationRuntime = EvaluationRuntime()


class CostsConfig(Group):
    """What it costs to run the network of the run in a folder, whatever its weights, on a CPU."""

    run: str
    outputs: Text
    runtime: EvaluationRuntime = EvaluationRuntime(device="cpu")


@dataclass(frozen=True)
class DataOf:
    """Where the data of the run in a folder lie now; root, verify and path None: as the run was trained."""

    run: str
    outputs: str
    root: str | None = None
    verify: bool | None = None
    path: str | None = None


@dataclass(frozen=True)
class DatasetAt:
    """A dataset, and the outputs folder beside which it is cached."""

    dataset: Dataset
    outputs: str


RunConfig = ModelConfig | ImportedConfig  # of what a run is asked for that holds a model, or outputs
HasDataset = RunConfig | DatasetAt
SaysWhere = EvaluationConfig | ShiftConfig | DataOf


def watched(optim: Optim, validation: int, key: str) -> None:
    """Refuse a `stop_accuracy` where no images are held out."""
    if optim.stop_accuracy is not None and validation == 0:
        raise wrong("it needs images to watch, dataset.validation above 0", key, optim.stop_accuracy)
