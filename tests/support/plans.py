"""Plans of stages that do nothing, for tests of how stages are run rather than of what they make."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from augdistill.base.errors import NoMemoryError, StoppedError
from augdistill.base.signals import stop_on_signal
from augdistill.executors.base import Outcome
from augdistill.store.documents import Manifest
from augdistill.store.identity import Ref
from augdistill.store.runs import Run, RunStore
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

FINISHED = Outcome("finished")


def plan_of(parents: Mapping[str, Sequence[str]], threads: Mapping[str, int] | None = None) -> Plan:
    """Return a plan from each stage's parents, by name."""
    stages = [stage(name, needed, (threads or {}).get(name, 1)) for name, needed in parents.items()]
    study: Any = None
    return Plan("synthetic", study, stages, {}, [], [], 0)


class Values(SimpleNamespace):
    """Stands for a typed config: `plain` says what is sent, its attributes are what executors ask."""

    def plain(self) -> dict[str, Any]:
        return self.values


def stage(name: str, parents: Sequence[str], threads: int = 1) -> Stage:
    """Return a stage whose job says its name."""
    asked = {"dataset": Values(label="none"), "teacher": Values(values={}), "runtime": Values(device="cpu")}
    config: Any = Values(values={"name": name}, **asked)
    return Stage(name, "teacher", f"teacher-{name}", config, tuple(parents), threads, {"model": "none"})


def need_too_much_once(job: dict[str, Any]) -> Run:
    """Run out of memory the first time, and finish the second time."""
    told = Path(job["config"]["told"])
    if not told.exists():
        told.touch()
        raise MemoryError
    return do_nothing(job)


def die_once(job: dict[str, Any]) -> Run:
    """Be killed the first time, under the run's lock, and finish the second time; a file tells which it was."""
    told = Path(job["config"]["told"])
    with locked(job):
        if not told.exists():
            told.write_text("died")
            os.kill(os.getpid(), signal.SIGKILL)
        told.write_text("finished")
    return do_nothing(job)


def wait_while_others_die(job: dict[str, Any]) -> Run:
    """Wait under the run's lock until all others have finished; save and stop on SIGTERM, as training does."""
    others = [Path(told) for told in job["config"]["waits_for"]]
    if not others:
        return die_once(job)
    with stop_on_signal() as stop, locked(job):
        while not all(path.exists() and path.read_text() == "finished" for path in others):
            if stop():
                raise StoppedError("saved")
            time.sleep(0.02)
    return do_nothing(job)


def locked(job: dict[str, Any]) -> AbstractContextManager[None]:
    """Return the lock of a job's run."""
    return RunStore(Path(job["config"]["outputs"])).lock(Ref(job["kind"], job["config"]["name"], "", {}))


def do_nothing(job: dict[str, Any]) -> Run:
    """Return a finished run that is nowhere."""
    return Run(Path(job["config"]["name"]), Manifest.model_construct(status="finished"))


def fail_when_named(job: dict[str, Any]) -> Run:
    """Fail if the job's stage is called "bad", be without memory if it is called "hungry"; else do nothing."""
    if job["config"]["name"] == "bad":
        raise KeyError("bad")
    if job["config"]["name"] == "hungry":
        raise NoMemoryError("no memory left")
    return do_nothing(job)


def tell_device(job: dict[str, Any]) -> Run:
    """Write, into the working folder, the device that this worker sees, under the stage's name."""
    Path(job["config"]["name"]).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    return do_nothing(job)
