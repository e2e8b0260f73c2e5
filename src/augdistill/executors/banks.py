"""Which students of a plan train together, as one stacked model: banks, for a GPU that one small student cannot fill.

Who is in a bank is a function of the plan and of the executor's choice, never of what happens to be left to do.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise

from augdistill.config.jobs import StudentConfig
from augdistill.store.identity import shared_by_bank
from augdistill.study.plan import Plan, Stage

SMALL = ("lenet", "alexnet-small")  # that `auto` puts into banks, on a GPU
WITHOUT_BATCHNORM = (*SMALL, "alexnet")  # that can be in one: a bank stacks weights, no statistics of batches
MOST = 25  # students in one, of `auto`

Banks = Mapping[str, tuple[Stage, ...]]  # the id of every student in a bank -> all of its students, in the plan's order


def banks_of(plan: Plan, size: object, on_gpu: bool) -> Banks:
    """Return the banks of a plan of at most `size` students each; `auto` makes them of small models on a GPU alone.

    Students of one block share one that differ in teacher, seed and distillation alone, have no strategy of their own
    and train to the last epoch. Groups that are too large are cut into even parts.
    """
    known, most = (SMALL, MOST if on_gpu else 1) if size == "auto" else (WITHOUT_BATCHNORM, int(str(size)))
    groups: dict[str, list[Stage]] = {}
    for stage in plan.stages:
        config = stage.config
        if stage.kind == "student" and isinstance(config, StudentConfig) and can_be_stacked(config, known):
            groups.setdefault(shared(stage, config), []).append(stage)
    found = (bank for group in groups.values() for bank in even_parts(group, most) if len(bank) > 1)
    return {stage.id: bank for bank in found for stage in bank}


def can_be_stacked(config: StudentConfig, models: Sequence[str]) -> bool:
    """Return whether a student may be in a bank: it sees clean images, and its last weights are those that count."""
    ends_like_all = config.optim.select == "last" and config.optim.stop_accuracy is None
    return config.student.name in models and not config.student_aug.ops and ends_like_all


def shared(stage: Stage, config: StudentConfig) -> str:
    """Return all that the students of a bank have in common: every field but those in which members may differ."""
    return json.dumps([stage.arm["block"], stage.threads, shared_by_bank(config)], sort_keys=True)


def even_parts(group: Sequence[Stage], most: int) -> list[tuple[Stage, ...]]:
    """Return a group in the fewest parts of at most `most`, whose sizes differ by one at most."""
    count = -(-len(group) // most)
    edges = [len(group) * part // count for part in range(count + 1)]
    return [tuple(group[first:last]) for first, last in pairwise(edges)]
