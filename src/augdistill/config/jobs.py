"""The whole configs of the jobs that train a model: a teacher's and a student's."""

from typing import Self

from pydantic import Field, model_validator

from augdistill.config.base import Group, Seed, Text, wrong
from augdistill.config.groups import (
    Optim,
    TheAug,
    TheDataset,
    TheDistillation,
    TheOptim,
    TheRuntime,
    TheStudent,
    TheTeacher,
)


class Job(Group):
    """What every job has."""

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


class TeacherConfig(Job):
    """A teacher: a model trained on a dataset under a stack of strategies."""


class StudentConfig(Job):
    """A student, and all that names the teacher it learns from; `aug` is the teacher's, `student_aug` its own."""

    teacher_optim: TheOptim
    teacher_seed: Seed = Field(examples=[0])
    student: TheStudent
    student_aug: TheAug
    distillation: TheDistillation


def watched(optim: Optim, validation: int, key: str) -> None:
    """Refuse a `stop_accuracy` where no images are held out."""
    if optim.stop_accuracy is not None and validation == 0:
        raise wrong("it needs images to watch, dataset.validation above 0", key, optim.stop_accuracy)
