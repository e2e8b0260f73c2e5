"""Which students of a plan train together, as one stacked model: banks, for a GPU that one small student cannot fill.

Who is in a bank is a function of the plan and of the executor's choice, never of what happens to be left to do.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise

from augdistill.config.groups import Dataset, Model
from augdistill.config.jobs import StudentConfig
from augdistill.data import expected_shape
from augdistill.losses import LOSSES
from augdistill.models import outline, stacks
from augdistill.store.identity import shared_by_bank
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

SMALL = 5_000_000  # parameters of a model that `auto` puts into banks, on a GPU, have to be fewer
MOST = 25  # students in one, of `auto`

Banks = Mapping[str, tuple[Stage, ...]]  # the id of every student in a bank -> all of its students, in the plan's order


def banks_of(plan: Plan, size: object, on_gpu: bool) -> Banks:
    """Return the banks of a plan of at most `size` students each; `auto` makes them of small models on a GPU alone.

    Students of one block share one that differ in teacher, seed and distillation alone, have no strategy of their own
    and train to the last epoch. Groups that are too large are cut into even parts.
    """
    most = int(str(size)) if size != "auto" else MOST if on_gpu else 1
    if most == 1:
        return {}
    groups: dict[str, list[Stage]] = {}
    for stage in plan.stages:
        config, small = stage.config, size == "auto"
        if stage.kind == "student" and isinstance(config, StudentConfig) and can_be_stacked(config, small=small):
            groups.setdefault(shared(stage, config), []).append(stage)
    found = (bank for group in groups.values() for bank in even_parts(group, most) if len(bank) > 1)
    return {stage.id: bank for bank in found for stage in bank}


def can_be_stacked(config: StudentConfig, *, small: bool = False) -> bool:
    """Return whether a student may be in a bank, in one of `small` models if asked.

    It sees clean images, its last weights are those that count, and its model and its loss can be stacked.
    """
    optim, loss = config.optim, config.distillation.loss.name
    ends_like_all = optim.select == "last" and optim.stop_accuracy is None
    if config.student_aug.ops or not ends_like_all or not LOSSES[loss].stacks:
        return False
    size = stacked_size(config.student, config.dataset)
    return size is not None and (size < SMALL or not small)


def stacked_size(model: Model, dataset: Dataset) -> int | None:
    """Return the parameters of a model, from its outline for images of a dataset, None if it cannot be stacked."""
    about = (model.parameters(), dataset.parameters())
    return size_of(model.name, dataset.name, json.dumps(about))


@cache
def size_of(model: str, dataset: str, parameters: str) -> int | None:
    """Return the same by names, and by the parameters of both as JSON."""
    of_model, of_dataset = json.loads(parameters)
    built = outline(model, expected_shape(dataset, **of_dataset), of_model, "student")
    return sum(value.numel() for value in built.parameters()) if stacks(built) else None


def shared(stage: Stage, config: StudentConfig) -> str:
    """Return all that the students of a bank have in common: every field but those in which members may differ."""
    return json.dumps([stage.arm["block"], stage.threads, shared_by_bank(config)], sort_keys=True)


def even_parts(group: Sequence[Stage], most: int) -> list[tuple[Stage, ...]]:
    """Return a group in the fewest parts of at most `most`, whose sizes differ by one at most."""
    count = -(-len(group) // most)
    edges = [len(group) * part // count for part in range(count + 1)]
    return [tuple(group[first:last]) for first, last in pairwise(edges)]
