"""python -m augdistill.stages JOB.json ...: run jobs, one after the other, without Hydra.

Beside `kind` and `config` a job may say which runs it `needs`, [kind, id, folder] each, and that no other job waits for
it (`awaited`: false), so that its failure is told but does not count. How a job stands is written beside it, into
JOB.state.json, for whoever asks while it runs or after.
"""

import logging
import os
import socket
import sys
import time
from pathlib import Path

from augdistill.base.errors import AugdistillError, RequestError, StoppedError
from augdistill.base.files import write_json
from augdistill.base.reading import read_json
from augdistill.base.safepath import leave_out_current_folder
from augdistill.base.signals import stop_on_signal
from augdistill.base.text import now
from augdistill.stages import JOB_IS, run_bank, run_job
from augdistill.store.documents import JOBS, Job, StageReport
from augdistill.store.identity import Ref
from augdistill.store.runs import RunStore

log = logging.getLogger("augdistill")


def main(paths: list[str]) -> int:
    """Run every job and return the worst exit code; a failing job does not stop the next, a signal does."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    if not paths:
        print("usage: python -m augdistill.stages JOB.json ...", file=sys.stderr)
        return 2
    worst = 0
    with stop_on_signal() as stop:  # also while no stage listens
        for path in map(Path, paths):
            if (job := read_job(path)) is None:
                worst = max(worst, RequestError.exit_code)
                continue
            if stop() and has_finished(state_file(path)):  # before a restart: the next may be one that is yet to begin
                continue
            code = StoppedError.exit_code if stop() else attend(job, path)
            if code == StoppedError.exit_code:
                return code
            if job.awaited:
                worst = max(worst, code)
    return worst


def has_finished(told: Path) -> bool:
    """Return whether a job told, before, that its run is there; a damaged file tells nothing."""
    try:
        return read_json(told, StageReport, "delete it").state == "finished"
    except (RequestError, FileNotFoundError):
        return False


def read_job(path: Path) -> Job | None:
    """Return the job in a file; None, saying why, where there is none."""
    try:
        return read_json(path, JOBS, JOB_IS)
    except (RequestError, OSError) as error:
        print(error, file=sys.stderr)
        return None


def attend(job: Job, path: Path) -> int:
    """Run a job, or its whole bank, write and print how each stands, and return the worst exit code, 0 if finished."""
    members: dict[Path, Job] = {state_file(path.with_name(member.folder)): member for member in job.bank}
    waiting = {told: (member, unfinished(member)) for told, member in (members or {state_file(path): job}).items()}
    codes = [
        report_state(told, "blocked", f"blocked by {why}", 1) for told, (_, why) in waiting.items() if why is not None
    ]
    able = {told: member for told, (member, why) in waiting.items() if why is None}
    for told in able:
        report_state(told, "running")
    began = time.monotonic()
    ends = ended(list(able.values())) if able else []
    seconds = (time.monotonic() - began) / max(1, len(able))
    codes += [report_state(told, *end, seconds) for told, end in zip(able, ends, strict=True)]
    return StoppedError.exit_code if StoppedError.exit_code in codes else max(codes)


def state_file(path: Path) -> Path:
    """Return where it is told how the job of a file or a folder stands."""
    return path.with_name(f"{path.name.removesuffix('.json')}.state.json")


def report_state(told: Path, state: str, error: str = "", code: int = 0, seconds: float = 0.0) -> int:
    """Write and print how a job stands; return its exit code."""
    where = {"host": socket.gethostname(), "pid": os.getpid(), "at": now()}
    write_json(told, {"state": state, "error": error, "seconds": round(seconds, 3), **where})
    if error:
        print(f"{told.name.removesuffix('.state.json')}: {error}", file=sys.stderr)
    return code


def ended(jobs: list[Job]) -> list[tuple[str, str, int]]:
    """Run one job, or several students together; return of each its state, what went wrong and its exit code."""
    try:
        runs = run_bank(jobs) if len(jobs) > 1 else [run_job(jobs[0].plain())]
    except StoppedError as error:
        return len(jobs) * [("stopped", str(error), error.exit_code)]
    except AugdistillError as error:
        return len(jobs) * [("failed", str(error), error.exit_code)]
    except Exception as error:
        log.exception("failed")
        return len(jobs) * [("failed", f"{type(error).__name__}: {error}", 1)]
    for run in runs:
        print(run.path)
    bad = {run.path: "" if run.status == "finished" else f"{run.status}: see {run.path / 'log'}" for run in runs}
    return [(run.status, bad[run.path], int(bool(bad[run.path]))) for run in runs]


def unfinished(job: Job) -> str | None:
    """Return the folder of the first run that a job needs and that is not finished."""
    store = RunStore(Path(job.config["outputs"]))
    for need in job.needs:
        found = store.find(Ref(need.kind, need.id, need.folder, {}))
        if found is None or found.status != "finished":
            return need.folder
    return None


if __name__ == "__main__":
    leave_out_current_folder()
    raise SystemExit(main(sys.argv[1:]))
