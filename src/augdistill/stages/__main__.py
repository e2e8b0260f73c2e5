"""python -m augdistill.stages JOB.json ...: run jobs, one after the other, without Hydra.

Beside `kind` and `config` a job may say which runs it `needs`, [kind, id, folder] each, and that no other job waits for
it (`awaited`: false), so that its failure is told but does not count. How a job stands is written beside it, into
JOB.state.json, for whoever asks while it runs or after.
"""

import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from augdistill.errors import AugdistillError, RequestError, StoppedError
from augdistill.identity import Ref
from augdistill.reading import read_json
from augdistill.runs import RunStore, now, write_json
from augdistill.schemas import JOB
from augdistill.stages import JOB_IS, run_job

log = logging.getLogger("augdistill")


def main(paths: list[str]) -> int:
    """Run every job and return the worst exit code; a failing job does not stop the next, a signal does."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    if not paths:
        print("usage: python -m augdistill.stages JOB.json ...", file=sys.stderr)
        return 2
    from augdistill.stages.common import stop_on_signal

    worst = 0
    with stop_on_signal() as stop:  # also while no stage listens
        for path in map(Path, paths):
            if (job := read_job(path)) is None:
                worst = max(worst, RequestError.exit_code)
                continue
            told = path.with_suffix(".state.json")
            if stop() and has_finished(told):  # before a restart: the next may be one that is yet to begin
                continue
            code = StoppedError.exit_code if stop() else attend(job, told)
            if code == StoppedError.exit_code:
                return code
            if job.get("awaited", True):
                worst = max(worst, code)
    return worst


def has_finished(told: Path) -> bool:
    """Return whether a job told, before, that its run is there."""
    return told.is_file() and bool(json.loads(told.read_text())["state"] == "finished")


def read_job(path: Path) -> dict[str, Any] | None:
    """Return the job in a file; None, saying why, where there is none."""
    try:
        job: dict[str, Any] = read_json(path, JOB, JOB_IS)
    except (RequestError, OSError) as error:
        print(error, file=sys.stderr)
        return None
    return job


def attend(job: dict[str, Any], told: Path) -> int:
    """Run one job, write and print how it stands, and return its exit code: 0 if its run is finished."""
    began = time.monotonic()

    def tell(state: str, error: str = "", code: int = 0) -> int:
        where = {"host": socket.gethostname(), "pid": os.getpid(), "at": now()}
        write_json(told, {"state": state, "error": error, "seconds": round(time.monotonic() - began, 3), **where})
        if error:
            print(f"{told.with_suffix('').stem}: {error}", file=sys.stderr)
        return code

    if (missing := unfinished(job)) is not None:
        return tell("blocked", f"blocked by {missing}", 1)
    tell("running")
    try:
        run = run_job(job)
    except StoppedError as error:
        return tell("stopped", str(error), error.exit_code)
    except AugdistillError as error:
        return tell("failed", str(error), error.exit_code)
    except Exception as error:
        log.exception("failed")
        return tell("failed", f"{type(error).__name__}: {error}", 1)
    print(run.path)
    return tell(
        run.status,
        "" if run.status == "finished" else f"{run.status}: see {run.path / 'log'}",
        run.status != "finished",
    )


def unfinished(job: dict[str, Any]) -> str | None:
    """Return the folder of the first run that a job needs and that is not finished."""
    store = RunStore(Path(job["config"]["outputs"]))
    for kind, id, folder in job.get("needs", ()):
        found = store.find(Ref(kind, id, folder, {}))
        if found is None or found.status != "finished":
            return str(folder)
    return None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
