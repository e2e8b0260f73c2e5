"""Run a plan's stages as jobs of a SLURM cluster, all submitted at once, and wait for them, or leave.

What is submitted stands below outputs/studies/NAME/slurm, and how it stands is read from there, from the run store and
from squeue: whoever repeats the command sees the jobs of the first, and submits only what no job will run any more.
"""

import logging
import re
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augdistill.base.checks import require
from augdistill.base.errors import RequestError
from augdistill.base.files import write_atomic, write_json
from augdistill.base.locks import held
from augdistill.base.signals import raising_on_signals
from augdistill.config import Config
from augdistill.config.checking import OF_RUNS
from augdistill.config.executors import Resources, Slurm
from augdistill.executors.banks import Banks, banks_of
from augdistill.executors.base import Board, Outcome, Results
from augdistill.executors.slurm.arrays import Array, arrange, indices
from augdistill.executors.slurm.queues import (
    GONE,
    TOGETHER,
    Folder,
    StageStatus,
    command,
    live_places,
    queue,
    stage_statuses,
)
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

log = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_name("slurm.sh")


def check() -> None:
    """Raise RequestError where SLURM is not."""
    if shutil.which("sbatch") is None or shutil.which("squeue") is None:
        raise RequestError(
            "executor=slurm needs sbatch and squeue: type it on a cluster's login node, or executor=local"
        )


def run(plan: Plan, store: RunStore, executor: Slurm) -> Results:
    """Run a plan as `Executor.run` says, but that its jobs go on when asked to stop, or if it is to `detach`."""
    board, folder = Board(plan, store), job_folder(plan, store)
    if not board.todo:
        return board.results
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with held(folder.path, "submission", f"the submission of {plan.name}"):
        submit(plan, board, folder, executor)
    if executor.detach:
        board.results.queued = len(board.todo)
        return board.results
    with raising_on_signals(), board.shown():
        try:
            watch(board, plan, store, folder, executor.poll_seconds)
        except BaseException:
            log.warning("the jobs stay in the queue: the same command waits for them, scancel NUMBER ends them")
            raise
    return board.results


def job_folder(plan: Plan, store: RunStore) -> Folder:
    return Folder(store.outputs / "studies" / plan.name / "slurm")


def submit(plan: Plan, board: Board, folder: Folder, executor: Slurm) -> None:
    """Submit the stages to do that no job runs any more, each array with what it waits for."""
    jobs = queue()
    live = live_places(folder.places(plan.stages), jobs)
    todo = [stage for stage in board.todo if stage.id not in live]
    if live:
        where = ", ".join(sorted({jobs[place].number for place in live.values()}))
        log.info("queued already: %d stages, in the arrays %s", len(live), where)
    if not todo:
        return
    prefix = f"{board.name}-{int(1000 * time.time()):x}"
    banks = banks_of(plan, executor.bank, on_gpu=executor.student.gpus > 0)
    arrays = arrange(plan.stages, todo, live, prefix, executor.pack, max_array_size(), banks)
    numbers = {place.array: jobs[place].number for place in live.values()}
    for array in arrays:
        write_jobs(board, folder, array, banks)
        try:
            words = arguments(array, numbers, folder.path, executor)
            numbers[array.name] = command(words).strip().split(";")[0]  # NUMBER;CLUSTER on some sites
        except BaseException:
            (folder.path / f"{array.name}.tasks").unlink()
            raise
        log.info(
            "queued %s: %d stages in %d jobs, array %s",
            array.name,
            len(array.stages),
            len(array.jobs),
            numbers[array.name],
        )


def enough_cpus(stage: Stage, executor: Slurm) -> None:
    """Raise ConfigError if a stage has more threads than its job cores: it would be slower by far."""
    kind = "teacher" if stage.kind == "teacher" else "student"
    cpus = resources_of(kind, executor).cpus
    require(cpus is None or cpus >= stage.threads, f"executor.{kind}.cpus", cpus, f"null, or {stage.threads} or more")


def write_jobs(board: Board, folder: Folder, array: Array, banks: Banks) -> None:
    """Write an array's job files and, last, the list of them by task, in which the students of a bank are one word."""
    for name in ("jobs", "logs"):
        (folder.path / name).mkdir(exist_ok=True)
    lines = []
    for index, stages in array.jobs.items():
        words: dict[str, list[Stage]] = {}
        for stage in stages:
            folder.job(stage).with_suffix(".state.json").unlink(missing_ok=True)
            words.setdefault(banks.get(stage.id, (stage,))[0].id, []).append(stage)
        for first, *_ in words.values():
            write_json(folder.job(first), job_of(board, first, banks))
        lines.append(
            " ".join([str(index), *(TOGETHER.join(stage.folder for stage in word) for word in words.values())])
        )
    write_atomic(folder.path / f"{array.name}.tasks", "\n".join([*lines, ""]).encode())


def job_of(board: Board, stage: Stage, banks: Banks) -> Config:
    """Return a stage's job as it is written: with what it needs and, of a student in a bank, the jobs of them all."""

    def with_needs(stage: Stage) -> Config:
        needs = [[parent.kind, parent.id, parent.folder] for parent in map(board.stages.__getitem__, stage.parents)]
        return {**stage.job, "needs": needs, "awaited": stage.kind not in OF_RUNS}

    bank = [{**with_needs(member), "folder": member.folder} for member in banks.get(stage.id, ())]
    return {**with_needs(stage), **({"bank": bank} if bank else {})}


def resources_of(kind: str, executor: Slurm) -> Resources:
    """Return what the jobs of teachers get, or of all others."""
    return executor.teacher if kind == "teacher" else executor.student


def arguments(array: Array, numbers: Mapping[str, str], folder: Path, executor: Slurm) -> list[str]:
    """Return the sbatch call of an array; `numbers` are SLURM's, by name, of the arrays that it may wait for."""
    resources = resources_of(array.kind, executor)
    options: dict[str, Any] = {
        "job-name": array.name,
        "array": indices(array.jobs),
        "output": f"{str(folder).replace('%', '%%')}/logs/%x-%a.log",
        "open-mode": "append",
        "export": "ALL",
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": resources.cpus or array.threads,
        "gres": f"gpu:{resources.gpus}" if resources.gpus else None,
        "mem": f"{int(1024 * resources.mem_gb)}M" if resources.mem_gb else None,
        "time": resources.minutes,
        "partition": resources.partition,
        "requeue": True,
        "signal": f"B:USR1@{executor.warn_seconds}",
        "dependency": dependency(array, numbers),
        "kill-on-invalid-dep": "yes",
        **resources.sbatch,
    }
    flags = [
        f"--{key}" if value is True else f"--{key}={value}"
        for key, value in options.items()
        if value not in (None, False)
    ]
    script = [str(SCRIPT), sys.executable, str(folder / f"{array.name}.tasks"), str(executor.requeues)]
    return ["sbatch", "--parsable", *flags, *script]


def dependency(array: Array, numbers: Mapping[str, str]) -> str | None:
    """Return what an array waits for, as sbatch takes it."""
    if array.aligned:
        return f"aftercorr:{numbers[array.aligned]}"
    if not array.after:
        return None
    kind = "afterany" if array.is_bank else "afterok"
    return ":".join([kind, *(f"{numbers[place.array]}_{place.task}" for place in array.after)])


def max_array_size() -> int:
    """Return how many indices an array may have here."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", command(["scontrol", "show", "config"]))
    return max(1, int(found[1])) if found else 1001  # SLURM's default


def watch(board: Board, plan: Plan, store: RunStore, folder: Folder, seconds: float) -> None:
    """Wait until every stage has ended, telling each change.

    A stage without a run whose job has gone must be seen so twice: a shared folder may show a run late.
    """
    before: dict[str, StageStatus] = {}
    while board.unmet:
        now = stage_statuses(plan, store, folder, queue())
        for stage in board.todo:
            report_change(board, stage, now[stage.id], before.get(stage.id), folder)
        before = now
        if board.unmet:
            time.sleep(seconds)


def report_change(board: Board, stage: Stage, now: StageStatus, before: StageStatus | None, folder: Folder) -> None:
    """Tell the board how a stage stands, if that is news."""
    if stage.id not in board.unmet:  # blocked meanwhile
        return
    if now.state in ("finished", "diverged"):
        told = folder.report(stage)
        board.ended(stage, Outcome(now.state, seconds=told.seconds if told else 0.0))
    elif now.state in GONE and now == before:
        board.ended(stage, Outcome("failed", now.why, 1))
    elif now.state == "running" and now != before:
        board.started(stage, now.why.removeprefix("on "))
