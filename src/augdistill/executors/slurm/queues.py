"""How a study's stages stand in SLURM: from the run store, the queue and the files that jobs write; no accounting."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from augdistill.base.errors import WorkError
from augdistill.base.reading import damage, read_json, read_text
from augdistill.base.text import printable_line
from augdistill.executors.slurm.arrays import ArrayTask
from augdistill.store.documents import StageReport
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

BROKEN = {"BOOT_FAIL", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
ENDED = BROKEN | {
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "PREEMPTED",
    "REVOKED",
}  # come not back; all other jobs are live
TOGETHER = ":"  # between students of one bank in a list of tasks; no folder's name has one
GONE = ("failed", "cancelled", "lost", "blocked")  # how a stage stands that no job will run
BLOCKED = "blocked by "  # what a job says of a stage whose parent is not there, before the parent's folder


@dataclass(frozen=True)
class Job:
    """A job as SLURM knows it: the number of its array, and its state."""

    number: str
    state: str

    @property
    def live(self) -> bool:
        return self.state not in ENDED


@dataclass(frozen=True)
class StageStatus:
    """How a stage stands: finished, diverged, queued, running, failed, blocked, cancelled, lost or to do; and why."""

    state: str
    why: str = ""


@dataclass(frozen=True)
class Folder:
    """The files of a study's jobs: `NAME.tasks` per array, and per stage its job and what the job tells."""

    path: Path

    def job(self, stage: Stage) -> Path:
        return self.path / "jobs" / f"{stage.folder}.json"

    def report(self, stage: Stage) -> StageReport | None:
        """Return what a stage's job wrote of it last."""
        try:
            return read_json(self.job(stage).with_suffix(".state.json"), StageReport, "delete it")
        except FileNotFoundError:
            return None

    def places(self, stages: Iterable[Stage]) -> dict[str, ArrayTask]:
        """Return where each stage was submitted last, by its id; an array's name begins with its time."""
        found: dict[str, ArrayTask] = {}
        for tasks in sorted(self.path.glob("*.tasks")):
            with damage(tasks, "scancel what it lists, then delete it"):
                for index, *folders in map(str.split, read_text(tasks).replace(TOGETHER, " ").splitlines()):
                    found |= dict.fromkeys(folders, ArrayTask(tasks.stem, int(index)))
        return {stage.id: found[stage.folder] for stage in stages if stage.folder in found}


def command(words: Sequence[str | Path]) -> str:
    """Return what one of SLURM's commands prints; WorkError with its last words if it fails."""
    ended = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if ended.returncode:
        said = (ended.stderr.strip() or f"exit code {ended.returncode}").splitlines()[-1].removeprefix(f"{words[0]}: ")
        raise WorkError(f"{words[0]}: {said}; what is queued stays, and the same command goes on with the rest")
    return ended.stdout


def queue() -> dict[ArrayTask, Job]:
    """Return this user's jobs in arrays that SLURM has not forgotten, by place."""
    words = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%F|%K|%T|%j"]
    return parse(command(words))


def parse(text: str) -> dict[ArrayTask, Job]:
    """Return the jobs in what squeue printed."""
    rows = (line.split("|", 3) for line in text.splitlines())
    return {ArrayTask(name, int(index)): Job(number, state) for number, index, state, name in rows if index.isdecimal()}


def live_places(places: Mapping[str, ArrayTask], jobs: Mapping[ArrayTask, Job]) -> dict[str, ArrayTask]:
    """Return the places of the stages whose jobs have not ended."""
    return {id: place for id, place in places.items() if place in jobs and jobs[place].live}


def stage_statuses(
    plan: Plan, store: RunStore, folder: Folder, jobs: Mapping[ArrayTask, Job]
) -> dict[str, StageStatus]:
    """Return how every stage stands, by its id."""
    places, folders = folder.places(plan.stages), {stage.id: stage.folder for stage in plan.stages}
    found: dict[str, StageStatus] = {}
    for stage in plan.stages:  # parents come first
        run = store.find(stage.ref)
        if run is not None:
            found[stage.id] = StageStatus(run.status)
        elif stage.id not in places:
            found[stage.id] = StageStatus("to do")
        else:
            told, job = folder.report(stage), jobs.get(places[stage.id])
            found[stage.id] = status_of(told, job, cause(stage, folders, found))
    return found


def cause(stage: Stage, folders: Mapping[str, str], found: Mapping[str, StageStatus]) -> str:
    """Return the folder of the run for want of which a stage will never run, "" if there is none."""
    for parent in stage.parents:
        if found[parent].state == "blocked":
            return found[parent].why.removeprefix(BLOCKED)
        if found[parent].state in ("failed", "cancelled", "lost", "diverged"):
            return f"{folders[parent]} ({found[parent].state})"
    return ""


def status_of(told: StageReport | None, job: Job | None, cause: str) -> StageStatus:
    """Return how a stage stands without a run: by what its job told, by the queue, and by what stops its parents."""
    if told is not None and told.state in ("failed", "blocked"):
        return StageStatus(told.state, printable_line(told.error))
    if job is not None and job.live:
        runs = told is not None and told.state == "running" and job.state == "RUNNING"
        return StageStatus("running", f"on {told.host}") if told and runs else StageStatus("queued", job.state.lower())
    if cause:
        return StageStatus("blocked", f"{BLOCKED}{cause}")
    if job is not None and job.state == "CANCELLED":
        return StageStatus("cancelled", "its job was cancelled")
    if told is not None:
        ended = f" ({job.state.lower()})" if job is not None else ""
        return StageStatus("lost", f"its job ended without it{ended}")
    return StageStatus("cancelled", "its job left the queue before it began")
