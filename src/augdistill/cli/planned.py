"""A study's plan: refused before any work, or printed, as `dry_run=true` asks: what is in which state, what is left."""

import logging
from collections import Counter
from collections.abc import Sequence

from augdistill.base.text import duration
from augdistill.cli.listing import table
from augdistill.config.executors import Executor, Slurm
from augdistill.config.studies import StudyConfig
from augdistill.executors import stage_statuses
from augdistill.store.runs import RunStore
from augdistill.study.estimate import time_left
from augdistill.study.plan import Plan, make_plan
from augdistill.study.stage import Stage

log = logging.getLogger(__name__)

ENDED = ("finished", "diverged")


def print_plan(plan: Plan, store: RunStore, executor: Executor) -> None:
    """Print what of a plan is there and what is not, and how long the rest takes if finished runs tell."""
    found = stage_statuses(plan, store, executor)
    states = {id: status.state for id, status in found.items()}
    print(stages_table([(kind_in_words(stage), states[stage.id]) for stage in plan.stages]))
    for stage in plan.stages:
        if why := found[stage.id].why:
            print(f"{states[stage.id]:10} {stage.folder} ({why})")
    if all(state in ENDED for state in states.values()):
        return
    workers = executor.at_once
    left, runs = time_left(plan, store, workers)
    if left.computing:
        print(
            f"time left: about {duration(left.waiting)} with {workers} at once, {duration(left.computing)} one by one, "
            f"told by {runs} finished runs of the same kinds"
        )
    if left.unknown:
        kinds = ", ".join(f"{count} {kind}" for kind, count in left.unknown.items())
        print(f"no finished run tells how long these take: {kinds}")


def kind_in_words(stage: Stage) -> str:
    """Return of which kind a stage is: a model by its name, an evaluation by its test set."""
    what = {"evaluation": "test_set", "outputs": None}.get(stage.kind, "model")
    return f"{stage.kind} {stage.arm[what]}" if what else stage.kind


def stages_table(stages: Sequence[tuple[str, str]]) -> str:
    """Return (kind, state) of stages as a table: how many of each kind are in each state, and of all."""
    counts = Counter(stages)
    kinds, states = (
        list(dict.fromkeys(kind for kind, _ in stages)),
        sorted({state for _, state in stages}, key=in_order),
    )
    rows = [(kind, [counts[kind, state] for state in states]) for kind in kinds]
    rows.append(("together", [sum(column) for column in zip(*(row for _, row in rows), strict=True)]))
    return table(("", *states, "all"), [(name, *(count or "" for count in row), sum(row)) for name, row in rows])


def in_order(state: str) -> tuple[bool, str]:
    """Return where a state stands among others: what has ended first."""
    return state not in ENDED, state


def checked_plan(config: StudyConfig, store: RunStore) -> Plan:
    """Return the plan of a study; RequestError for what no stage of it could do, before any is begun."""
    from augdistill.executors.devices import check_cuda
    from augdistill.executors.space import check_space

    plan = make_plan(config)
    for test_set, why in plan.skipped.items():
        log.warning("no evaluation on %s: %s", test_set, why)
    if any(store.find(stage.ref) is None for stage in plan.stages):
        from augdistill.stages.refusals import validate_choices

        check_cuda(plan, config.executor)
        validate_choices(plan.study, plan.choices)
        check_space(plan, store, config.executor)
        if isinstance(config.executor, Slurm):
            from augdistill.executors.slurm import enough_cpus

            for stage in plan.stages:
                enough_cpus(stage, config.executor)
    return plan
