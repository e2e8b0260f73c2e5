"""What a job that trains is refused for before any work: data, strategies and models that cannot be, as typed."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from augdistill import losses
from augdistill.augment import check_ops
from augdistill.base.errors import ModelError, RequestError, as_typed
from augdistill.config.jobs import ImportedConfig, ModelConfig, StudentConfig
from augdistill.config.studies import Study
from augdistill.data import Header, expected_shape, unpacked_if_refused
from augdistill.models import outline, trains_on_one
from augdistill.stages import names
from augdistill.store.identity import teacher_of
from augdistill.store.runs import Run
from augdistill.training.batches import batch_sizes


def validate_values(config: ModelConfig) -> nn.Module:
    """Return the outline of a job's model; RequestError for what needs no data to be seen."""
    shape = expected_shape(config.dataset.name, **config.dataset.parameters())
    check_ops(config.own_aug.listed(), shape[-1], config.aug_key)
    if isinstance(config, StudentConfig):
        losses.build(config.distillation.loss.name, **config.distillation.loss_parameters())
    return outline(config.model.name, shape, config.model.parameters(), config.kind)


def validate(config: ModelConfig) -> Header:
    """Return what is known of a job's training set; RequestError if its model cannot be trained.

    What needs no data is refused before any are read; a refused job leaves no packed data behind.
    """
    model = validate_values(config)
    with unpacked_if_refused(Path(config.outputs) / "cache"):
        header = names.dataset_header(config)
        names.check_training_set(config.dataset, header)
        check_last_batch(config, model, header)
    return header


def check_last_batch(config: ModelConfig, model: nn.Module, header: Header) -> None:
    """Raise ModelError where the last batch is of one image and the model cannot train on one."""
    count, batch, name = header.count - config.dataset.validation, config.optim.batch_size, config.model.name
    if batch_sizes(count, batch)[-1] == 1 and not trains_on_one(model, header.shape):
        side = header.shape[-1]
        raise ModelError(
            f"{name} cannot train on a batch of one image of {side} x {side}, where its batch norm sees one value of a "
            f"channel, and {count:,} images in batches of {batch} leave one: type optim.batch_size="
            f"{another(batch, count)}, or a larger dataset.size"
        )


def another(batch: int, count: int) -> int:
    """Return the batch size nearest to `batch` that leaves no batch of one of `count` images."""
    fitting = (size for size in range(2, max(count, 2) + 1) if count % size != 1)
    return min(fitting, key=lambda size: (abs(size - batch), -size))


def check_suffices(run: Run, config: StudentConfig) -> None:
    """Raise RequestError where a student asks of an imported teacher what it cannot give."""
    about, distillation = run.config, config.distillation
    assert isinstance(about, ImportedConfig)
    name = about.imported.name
    if distillation.teacher_weights == "untrained":
        raise RequestError(f"distillation.teacher_weights=untrained: the weights that {name} began from are not known")
    if distillation.transform == "rescale" and distillation.sd is None:
        raise RequestError(f"distillation.transform=rescale with {name}: give the s.d., as in distillation.sd=3.0")
    sees_the_batch = bool(config.student_aug.ops) and distillation.view != "clean"
    if about.imported.form == "outputs" and sees_the_batch and distillation.transform != "class-mean":
        raise RequestError(
            f"distillation.view={distillation.view} asks {name} about augmented images, and it is known by its outputs "
            "on clean ones alone: distillation.view=clean, or aug@student_aug=baseline"
        )


def validate_choices(
    study: Study, choices: Sequence[StudentConfig], check: Callable[[ModelConfig], object] = validate
) -> None:
    """Refuse, in the words of the study's keys, any of its distinct "student" configs and of their teachers."""
    seen = set()
    common = {"dataset.": "study.dataset.", "aug.ops.": "study.ops.", "student_aug.ops.": "study.ops."}
    students = {model.name: name for name, model in study.students.items()}
    for choice in choices:
        student = f"study.students.{students.get(choice.student.name, choice.student.name)}."
        jobs: list[tuple[ModelConfig, dict[str, str]]] = [
            (choice, {"student.": student, "optim.": f"{student}optim."}),
            (teacher_of(choice), {"teacher.": "study.teacher.", "optim.": "study.teacher.optim."}),
        ]
        if choice.distillation.teacher is not None:  # which was trained elsewhere
            del jobs[1]
        for config, keys in jobs:
            parts = (config.model, config.optim, config.dataset, config.own_aug)
            made_by = json.dumps([config.kind, *(part.plain() for part in parts)])
            if made_by not in seen:
                seen.add(made_by)
                with as_typed({**common, **keys}):
                    check(config)
