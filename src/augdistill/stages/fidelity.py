"""What a student took of its teacher on the images that it learned from, and how far its teacher's words vary."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augdistill.base.arrays import Floats
from augdistill.config.jobs import StudentConfig
from augdistill.metrics import METRICS, Teacher
from augdistill.metrics.classification import log_softmax
from augdistill.metrics.scores import Predictions
from augdistill.stages import common
from augdistill.training.batches import Batch, Ops, TrainingSet, make_batch, plan_epoch
from augdistill.training.device import Device

GROUP = 640
"""images in a mean of the teacher's probabilities: ten batches of 64 in the code of arXiv 2012.02909"""
GROUPS = 20  # of the first epoch; where it has less than two, there is no T.stddev


def examine(model: nn.Module, data: common.DeviceDataset, device: Device) -> tuple[Tensor, dict[str, Any]]:
    """Return a student's logits [N,K] on the images that trained it, its accuracy there, and its dead units' share."""
    logits, embeddings = common.predict(model, data, device)
    right = float((logits.argmax(1) == data.labels.cpu()).double().mean())
    dead = float((embeddings.amax(0) <= 0).double().mean())
    return logits, {"training_accuracy": right, "dead_units": dead}


def on_training_images(logits: Tensor, labels: Tensor, teacher: Teacher, words: Iterable[Tensor]) -> dict[str, float]:
    """Return the metrics that need a teacher, of a student's logits [N,K]; `words` are the teacher's probabilities."""
    values, known = logits.numpy(), labels.cpu().numpy()
    predictions = Predictions(
        values, log_softmax(values), known, teacher=teacher, draws=group_means(words, values.shape[1])
    )
    asked = {name: metric for name, metric in METRICS.items() if metric.needs & {"teacher", "draws"}}
    found = {name: float(metric.compute(predictions)) for name, metric in asked.items()}
    return {name: value for name, value in found.items() if value == value}


def group_means(words: Iterable[Tensor], classes: int) -> Floats:
    """Return the mean [G,K] over each of some groups of images of the probabilities in batches [B,K]."""
    means: list[np.ndarray] = []
    group: list[Tensor] = []
    for batch in words:
        group.append(batch.double().cpu())
        if sum(map(len, group)) >= GROUP:
            means.append(torch.cat(group).mean(0).numpy())
            group = []
        if len(means) == GROUPS:
            break
    return np.array(means).reshape(-1, classes)


def teacher_words(
    training: TrainingSet, config: StudentConfig, live: Callable[[Batch], Tensor] | None
) -> Iterator[Tensor]:
    """Yield a teacher's probabilities [B,K] for the batches of the first epoch of training.

    They are `live`, or as they stand beside the images and are mixed with these.
    """
    ops: Ops = config.student_aug.listed()
    own_view = config.distillation.view == "independent"
    plan = plan_epoch(training, ops, config.seed, "student", 0, config.optim.batch_size, own_view)
    for index in range(len(plan.offsets) - 1):
        if not ops and training.teacher is not None:
            yield training.teacher.index_select(0, plan.order[plan.part(index)])
            continue
        batch = make_batch(training, ops, plan, index)
        said = batch.teacher if live is None else live(batch)
        assert said is not None
        yield said
