"""A study's plan.json, as reports read it.

The configs of its jobs, and the composed study itself, stay beside as they were written: they are for people to read.
"""

import shlex
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, model_validator

from augdistill.base.model import (
    Id,
    Integer,
    Label,
    Many,
    Name,
    NumberOrText,
    Printable,
    Real,
    Record,
    fits,
    wrong_as_a_whole,
)
from augdistill.base.status import COLLAPSED
from augdistill.base.text import first_text
from augdistill.config import Config
from augdistill.config.factors import Factor, FactorialDesign
from augdistill.store.documents import Kind


class SavedRecipe(Record):
    """What a report asks of the recipe by which a model was trained."""

    select: str = "last"


class SavedModel(Record):
    """A model of a study, and its recipe."""

    name: Label
    width: Integer | None = None
    optim: SavedRecipe


class SavedDataset(Record):
    """The dataset of a study."""

    name: Label


class SavedDistillation(Record):
    """How a study's students learn from their teachers."""

    alpha: Real
    temperature: Real
    label_weight: Real | None = None
    teacher_weights: str = "trained"
    mixed_labels: str = "mixed"
    inputs: str = "augmented"


class Design(Record):
    """What a study consists of: its composed group `study`, of which `written` is all that was there."""

    written: Config
    name: Name
    dataset: SavedDataset
    teacher: SavedModel
    students: dict[str, SavedModel]
    aug: Many[Label]
    imported: Many[Name] = ()
    distillation: SavedDistillation
    arms: dict[Label, Config] = Field({})
    blocks: Integer
    students_per_teacher: Integer
    claims: Many[NumberOrText] = ()
    primary: Many[NumberOrText] | None = None
    margins: dict[str, Real] = Field({})
    looks: Integer = 1
    base: Label | None = None
    dead_units: str = "keep"
    test_set: Name | None
    question: Printable | None = None
    factors: dict[Printable, Factor] = Field({})
    design: FactorialDesign = FactorialDesign()

    @property
    def keeps_dead_units(self) -> bool:
        """Whether tests keep students of sound accuracy with many dead units, as they do unless told."""
        return self.dead_units != COLLAPSED

    @model_validator(mode="before")
    @classmethod
    def keep_what_was_written(cls, value: object) -> object:
        return {**value, "written": value} if isinstance(value, Mapping) else value


class Where(Record):
    """Where in its study a stage stands."""

    role: Printable
    model: Printable
    teacher_aug: Printable
    student_aug: Printable
    variant: Printable


class SavedArm(Where):
    """Which run of an arm a stage is of."""

    block: Integer
    student_seed: Integer


class EvaluatedArm(SavedArm):
    """Which run of an arm an evaluation is of, and on what."""

    test_set: Name


class SharedArm(Where):
    """A cell of a study's grids whose runs stand at another variant."""

    stands_at: Printable


class PrecisionOnly(Record):
    """What a report asks of where a job runs."""

    precision: str


class ModelConfig(Record):
    """What a report asks of the config of a job that trains."""

    dataset: Config
    runtime: PrecisionOnly


class NamedRun(Record):
    """What a report asks of the config of an evaluation."""

    run: Name


class SavedJob(Record):
    """The job of a stage."""

    config: Config


class SavedModelJob(SavedJob):
    """The job of a teacher or a student."""

    config: Annotated[Config, fits(ModelConfig)]


class SavedEvaluationJob(SavedJob):
    """The job of an evaluation."""

    config: Annotated[Config, fits(NamedRun)]


class SavedStage(Record):
    """One stage of a study: its run's id and folder, its job, its place in the design."""

    id: Id
    kind: Kind
    folder: Name
    job: SavedJob
    arm: SavedArm

    @property
    def about(self) -> str:
        """The folder of the run that a stage is about: of an evaluation the run that is evaluated, else its own."""
        return self.folder


class ModelStage(SavedStage):
    """A stage that trains a teacher or a student."""

    kind: Literal["teacher", "student"]
    job: SavedModelJob


class OutputsStage(SavedStage):
    """A stage that computes a teacher's outputs."""

    kind: Literal["outputs"]


class StageOfRun(SavedStage):
    """A stage that asks something of a run."""

    job: SavedEvaluationJob

    @property
    def about(self) -> str:
        return str(self.job.config["run"])


class EvaluationStage(StageOfRun):
    """A stage that evaluates a run."""

    kind: Literal["evaluation"]
    arm: EvaluatedArm


class ShiftStage(StageOfRun):
    """A stage that evaluates a run under shift."""

    kind: Literal["shift"]
    arm: EvaluatedArm


class CostsStage(StageOfRun):
    """A stage that measures what the network of a run costs."""

    kind: Literal["costs"]


def is_our_command(text: str) -> str:
    """Return a command line of `augdistill study` or `report`; ValueError for what a shell would read otherwise."""
    words = shlex.split(text)
    if words[:1] != ["augdistill"] or words[1:2] not in (["study"], ["report"]) or shlex.join(words) != text:
        raise ValueError("it is no augdistill study or report")
    return text


AnyStage = ModelStage | OutputsStage | EvaluationStage | ShiftStage | CostsStage


class SavedPlan(Record):
    """A study's plan.json: its design, its stages, test sets left out and why, cells of grids that share runs."""

    name: Name
    study: Design
    stages: Many[Annotated[AnyStage, Discriminator("kind")]]
    skipped: dict[str, str] = Field({})
    shared: Many[SharedArm] = ()
    claims: Config | None = None
    command: Annotated[Printable, AfterValidator(is_our_command)] | None = None
    """what was typed to make it; older plans do not say"""
    adopted: Many[Printable] = ()
    """by which KEY=VALUE runs that no study planned were chosen; of a study that was planned, none"""

    @model_validator(mode="before")
    @classmethod
    def is_settled(cls, value: object) -> object:
        parts = [value.get(key) for key in ("study", "stages", "claims")] if isinstance(value, Mapping) else []
        if first_text(lambda text: "${" in text, parts) is not None:
            raise wrong_as_a_whole("it asks for values from elsewhere, with ${...}, which no plan does")
        return value
