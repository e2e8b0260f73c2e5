"""Run a plan's stages as tasks of a Ray cluster, each waiting for the references of its parents' tasks.

What travels is one importable function and JSON. Ray is imported only when it is used.
"""

import json
import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from augdistill.base.errors import NoMemoryError, RequestError
from augdistill.base.signals import recording_signals
from augdistill.config.executors import Ray, Shares
from augdistill.executors.banks import banks_of
from augdistill.executors.base import Board, Outcome, Results, Work
from augdistill.executors.ray.clusters import (
    Events,
    alive_nodes,
    cluster,
    enqueue_signal,
    last_line,
    look_at,
    next_event,
    token,
)
from augdistill.executors.ray.worker import LISTENER, Listener, run_stage
from augdistill.stages import run_job
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

log = logging.getLogger(__name__)

TIME_TO_SAVE = 60  # seconds that workers have after the study was told to stop
WINDOW = 1000  # stages handed to Ray at once, at least, so that a long plan takes no more memory than a short one
PER_CORE = 20  # and for each core: a block's one teacher comes with 20 to 30 stages


def run(plan: Plan, store: RunStore, executor: Ray, work: Work = run_job) -> Results:
    """Run a plan as `Executor.run` says; asked to stop again, it ends at once.

    Raises RequestError for a cluster that cannot run the plan.
    """
    board = Board(plan, store)
    if not board.unmet:
        return board.results
    events: Events = SimpleQueue()
    recording = partial(recording_signals, partial(enqueue_signal, events))
    # Ray sets a handler of its own for SIGTERM while it starts: ours is set again then.
    with recording(), cluster(executor.address, executor.retries), recording():
        nodes = alive_nodes()
        resources = {stage.id: resources_of(stage, executor.gpus, nodes) for stage in board.todo}
        board.banks = banks_of(plan, executor.bank, any(needed["num_gpus"] for needed in resources.values()))
        with token(store.outputs) as place:
            look_at(nodes, place, events)
            tasks = Tasks(board, resources, place, executor.retries, work, events)
            with board.shown():
                try:
                    tasks.loop()
                finally:
                    tasks.close()
    return board.results


def resources_of(stage: Stage, gpus: Shares, nodes: list[dict[str, Any]]) -> dict[str, float]:
    """Return what a stage takes of a node: cores for its threads, and its kind's share of a GPU if there are any.

    Raises RequestError if no node has so much. A stage takes no more cores than the largest node has.
    """
    runtime = stage.config.runtime
    has_gpus = [node for node in nodes if node["Resources"].get("GPU", 0) > 0]
    for key, in_vain in (("device", "cuda"), ("cuda_graphs", "true")):
        if getattr(runtime, key, None) == in_vain and not has_gpus:
            asked = f"study.runtime.{key}={in_vain}"
            raise RequestError(f"{asked}, but no node of the Ray cluster has a GPU: study.runtime.{key}=auto")
    on_gpu = bool(has_gpus) and runtime.device != "cpu"
    most = max(node["Resources"].get("CPU", 0) for node in (has_gpus if on_gpu else nodes))
    if most < 1:
        raise RequestError(
            "no node of the Ray cluster has a free core for a stage: ray start --num-cpus=N gives it some"
        )
    return {"num_cpus": min(stage.threads, int(most)), "num_gpus": getattr(gpus, stage.kind) if on_gpu else 0}


class Tasks:
    """The stages that Ray has, and what is heard of them: ends and, through the listener, beginnings."""

    def __init__(
        self,
        board: Board,
        resources: dict[str, dict[str, float]],
        place: dict[str, str],
        retries: int,
        work: Work,
        events: Events,
    ) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.board, self.resources, self.place, self.work = board, resources, place, work
        self.task, self.retries = ray.remote(run_stage), retries
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.listener = ray.remote(Listener).options(name=LISTENER, num_cpus=0, scheduling_strategy=here).remote()
        self.window = max(WINDOW, int(PER_CORE * ray.cluster_resources().get("CPU", 0)))
        self.after_banks = after_banks(board)
        self.later = iter(stage for stage in board.todo if stage.id not in self.after_banks)
        self.refs: dict[str, Any] = {}
        self.ends: dict[str, Future[str]] = {}
        self.stages: dict[Future[str], Stage] = {}
        self.begun: set[str] = set()
        self.events = events
        self.beginnings: Future[Any] | None = None

    def loop(self) -> None:
        """Hand stages over in the plan's order, take in what is heard, until nothing is left."""
        self.listen()
        self.hand_over_banks(self.board.ready)
        self.submit()
        while self.board.unmet:
            event = next_event(self.events)
            if event is self.beginnings:
                self.take_beginnings(event)
            elif event in self.stages:
                self.collect(self.stages[event])
                self.submit()

    def submit(self) -> None:
        """Hand over stages as long as Ray has fewer than a window of them."""
        while len(self.ends) < self.window and (stage := next(self.later, None)) is not None:
            if stage.id in self.board.unmet:  # else it is blocked by now
                self.hand_over(stage)

    def hand_over_banks(self, ready: Iterable[Stage]) -> None:
        """Hand over those of the ready stages that could not be before it was known who is in a bank."""
        for stage in ready:
            if stage.id in self.after_banks:
                self.hand_over(stage)

    def hand_over(self, stage: Stage) -> None:
        """Make a stage, or a bank, a task of Ray's."""
        message = json.dumps({**self.place, "id": stage.id, "job": stage.job})
        parents = [self.refs[parent] for parent in stage.parents if parent in self.refs]
        resources = self.resources[stage.id]
        gpus = min(1.0, resources["num_gpus"] * max(1, len(stage.bank)))  # the shares of all students, one core's worth
        options = {**resources, "num_gpus": gpus, "max_retries": self.retries, "retry_exceptions": [NoMemoryError]}
        ref = self.task.options(**options).remote(message, self.work, *parents)
        future = ref.future()
        self.refs[stage.id], self.ends[stage.id], self.stages[future] = ref, future, stage
        future.add_done_callback(self.events.put)

    def listen(self) -> None:
        """Ask the listener for the beginnings that come next."""
        self.beginnings = self.listener.take.remote().future()
        self.beginnings.add_done_callback(self.events.put)

    def take_beginnings(self, event: "Future[Any]") -> None:
        """Tell which stages began; one that begins again was lost."""
        import ray

        try:
            begun = event.result()
        except ray.exceptions.RayError:
            log.warning("the listener was lost: what ends is told, what begins no more")
            return
        for id, node in begun:
            if id not in self.board.unmet:
                continue  # it has ended, as was heard first
            stage = self.board.stages[id]
            if id in self.begun:
                self.board.lost(stage, "its worker or node was lost, or had no memory left")
            self.begun.add(id)
            self.board.started(stage, node)
        self.listen()

    def collect(self, stage: Stage) -> None:
        """Take in a stage that ended, its parents before it."""
        for parent in stage.parents:
            if parent in self.ends:
                self.collect(self.board.stages[parent])
        future = self.ends.pop(stage.id)
        del self.stages[future], self.refs[stage.id]
        if stage.id in self.board.unmet:  # else it is blocked, as its task found, too
            if stage.id not in self.begun:
                self.board.started(stage)  # what the listener heard of it is still on its way
            self.hand_over_banks(self.board.ended(stage, outcome_of(future)))

    def close(self) -> None:
        """Take back what waits, ask what runs to save and stop, and wait until it has."""
        import ray

        for ref in reversed(self.refs.values()):  # children first: none begins in between
            ray.cancel(ref)
        end = time.monotonic() + TIME_TO_SAVE
        with suppress(Empty):
            while not all(future.done() for future in self.ends.values()):
                next_event(self.events, max(0, end - time.monotonic()))


def after_banks(board: Board) -> set[str]:
    """Return the stages that are in a bank or wait for one: who trains in it depends on how its teachers end."""
    found = set(board.banks)
    for stage in board.stages.values():  # parents come first
        if not found.isdisjoint(stage.parents):
            found.add(stage.id)
    return found


def outcome_of(future: "Future[str]") -> Outcome:
    """Return how a task ended: what it says, or that its worker or node was lost once too often."""
    import ray

    try:
        return Outcome(**json.loads(future.result()))
    except ray.exceptions.RayTaskError as error:
        return Outcome("failed", last_line(error.cause), 1)
    except ray.exceptions.RayError as error:
        return Outcome("failed", f"its worker or node was lost ({type(error).__name__})", 1)
