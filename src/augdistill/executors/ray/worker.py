"""What runs in the workers of a Ray cluster; it imports no Ray before it is there."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from augdistill.base.errors import NoMemoryError, StoppedError
from augdistill.base.reading import read_text
from augdistill.base.signals import handling
from augdistill.executors.base import Outcome, Work, attempt, quiet_worker

TIME_TO_HEAR = 10  # seconds
LISTENER = "augdistill-listener"  # its name within the study's own Ray namespace


class Listener:
    """Hears from workers which stages they begin; the study takes it from here as it comes."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def begin(self, id: str, node: str) -> None:
        """Hear that a stage begins on a node."""
        self.begun.put_nowait((id, node))

    async def take(self) -> list[tuple[str, str]]:
        """Return what was heard since the last time, at least one."""
        told = [await self.begun.get()]
        while not self.begun.empty():
            told.append(self.begun.get_nowait())
        return told


def run_stage(message: str, work: Work, *parents: str) -> str:
    """Run one stage in a worker and return its Outcome as JSON; `parents` are those of the stages it needs."""
    if any(json.loads(parent)["status"] != "finished" for parent in parents):
        return as_message(Outcome("blocked"))
    sent = json.loads(message)
    if problem := not_shared(sent):
        return as_message(Outcome("failed", f"node {os.uname().nodename}: {problem}", 1))
    os.chdir(sent["folder"])
    quiet_worker()
    begin(sent["id"])
    with saving_when_cancelled() as cancelled:
        outcome = attempt(sent["job"], work)
    if outcome.exit_code == StoppedError.exit_code and not cancelled:
        os._exit(outcome.exit_code)  # this node is being taken away: Ray tries again on another
    if outcome.status == "lost":
        raise NoMemoryError(outcome.error)  # at which Ray tries again
    return as_message(outcome)


def as_message(outcome: Outcome) -> str:
    """Return an outcome as it travels."""
    return json.dumps(asdict(outcome))


def begin(id: str) -> None:
    """Tell that a stage begins here, and wait until that is heard: this worker may be killed at any time."""
    import ray

    with suppress(ValueError, TimeoutError, ray.exceptions.RayError):  # the stage counts, not what is told of it
        heard = listener().begin.remote(id, os.uname().nodename).future()
        heard.result(TIME_TO_HEAR)  # not ray.get, at which Ray gives this worker's cores to another


@cache
def listener() -> Any:
    """Return the study's listener."""
    import ray

    return ray.get_actor(LISTENER)


@contextmanager
def saving_when_cancelled() -> Iterator[list[bool]]:
    """Pass Ray's interrupt of a cancelled task on as SIGTERM, at which a stage saves; the list says if it came.

    Meanwhile SIGTERM is the stage's alone: Ray's own handler would end the worker before it has saved.
    """
    cancelled: list[bool] = []

    def ask(number: int, frame: FrameType | None) -> None:
        cancelled.append(True)
        signal.raise_signal(signal.SIGTERM)

    with handling(signal.SIGINT, by=ask), handling(signal.SIGTERM, by=lambda number, frame: None):
        yield cancelled


def look(message: str) -> str:
    """Return what keeps this node from running the study that sent the message, "" if nothing."""
    from augdistill.plugins import distributions
    from augdistill.stages.folders import versions

    sent = json.loads(message)
    if problem := not_shared(sent):
        return problem
    here = {**distributions(all_installed=True), **versions(), "python": ""}  # Ray itself compares Python's
    other = [
        f"{name} {here.get(name, 'none')} instead of {wanted}"
        for name, wanted in sent["versions"].items()
        if here.get(name) != wanted
    ]
    return f"it has {', '.join(other)}: every node needs the same packages" if other else ""


def not_shared(sent: dict[str, str]) -> str:
    """Return which folder of the study's machine this node does not see, "" if it sees both."""
    if not Path(sent["folder"]).is_dir():
        return (
            f"it has no {sent['folder']}, the folder where the study was started: start it in one that all nodes share"
        )
    if read_text(Path(sent["token"])) != sent["content"]:
        outputs = Path(sent["token"]).parent
        return f"it does not see {outputs} of the study's machine: outputs= names a folder that all nodes share"
    return ""
