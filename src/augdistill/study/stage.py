"""One job of a study, as a plan has it."""

from dataclasses import dataclass, field

from augdistill.config import Config
from augdistill.config.jobs import CostsConfig, EvaluationConfig, RunConfig, ShiftConfig
from augdistill.store.identity import Ref

StageConfig = RunConfig | EvaluationConfig | ShiftConfig | CostsConfig


@dataclass(frozen=True)
class Stage:
    """One job of a study: its run's id and folder, its config, the ids it waits for, its CPU threads.

    `arm` is its place in the design. With `wait` false, a run that another process holds fails the stage. `bank` are
    all the students that train together, this one among them. `trackers` are told of it while it trains.
    """

    id: str
    kind: str
    folder: str
    config: StageConfig
    parents: tuple[str, ...]
    threads: int
    arm: Config = field(default_factory=dict)
    wait: bool = True
    trackers: tuple[str, ...] = ()
    bank: tuple["Stage", ...] = ()

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.id, self.folder, {})

    @property
    def job(self) -> Config:
        """What who runs it is given, as JSON."""
        job: Config = {"kind": self.kind, "config": self.config.plain(), "id": self.id}
        if not self.wait:
            job["wait"] = False
        if self.trackers and self.kind in ("teacher", "student"):
            job["trackers"] = list(self.trackers)
        if self.bank:
            job["bank"] = [{**member.job, "folder": member.folder} for member in self.bank]
        return job

    def saved(self) -> Config:
        """Return what plan.json says of it, as JSON."""
        names = {"id": self.id, "kind": self.kind, "folder": self.folder, "job": self.job}
        return {**names, "parents": self.parents, "threads": self.threads, "arm": self.arm}
