"""The documents that runs leave behind and jobs are told by, as they are read: one made by hand cannot surprise.

A config in them stays as it was written, a dictionary; whoever needs its values checks it as if it were typed.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, TypeAdapter, model_validator

from augdistill.base.model import Id, Integer, Many, Name, Printable, Proven, Real, Record, fits
from augdistill.config import Config
from augdistill.config.jobs import CostsConfig, EvaluationConfig, ShiftConfig

Kind = Literal["teacher", "outputs", "student", "evaluation", "shift", "costs"]
KINDS: tuple[Kind, ...] = ("teacher", "outputs", "student", "evaluation", "shift", "costs")


class OfRun(Record):
    """What the config of an evaluation has: the run that it is of."""

    run: str


class Provenance(Record):
    """How a run came about: with what, where, when, in how many seconds, from which runs, beside which in a bank."""

    versions: dict[str, str]
    git_commit: str | None = None
    device: str | None = None
    hardware: str | None = None
    precision: str
    threads: Integer | None = None
    began: str
    ended: str
    seconds: Real
    parents: dict[str, Name]
    bank: Many[Name] = ()
    notes: Many[str]


class Hashed(Record):
    """What a run's identity is the hash of: the fingerprint of its data, the ids of its parents, and more."""

    model_config = ConfigDict(extra="allow")

    data: str = ""
    config: Config = Field({})
    parents: dict[str, Id] = Field({})


class Statistics(Record):
    """Mean and standard deviation of each channel of the training images, in 0..1."""

    mean: Many[Real]
    std: Many[Real]


class Manifest(Proven):
    """What a run's manifest says; `replaced` are the SHA-256 of files before they were written anew."""

    format: Literal[1]
    id: Id
    kind: Kind
    status: Literal["finished", "diverged"]
    config: Config
    document: Hashed
    files: dict[Name, str]
    replaced: dict[Name, str] = Field({})  # what files were before they were written anew
    provenance: Provenance

    def checksums(self, name: str) -> set[str]:
        """Return the SHA-256 that one of the run's files may have: what it is, and what it was before."""
        return {files[name] for files in (self.files, self.replaced) if name in files}


class ModelManifest(Manifest):
    """What the manifest of a teacher or a student says: its data, enough to evaluate it, and its health."""

    kind: Literal["teacher", "student"]
    shape: Many[Integer] = ()
    classes: Many[Printable]
    statistics: Statistics
    collapsed: bool = False
    training_accuracy: Real | None = None
    dead_units: Real | None = None
    validation_accuracy: Real | None = None
    distillation: dict[Name, Real | None] = Field({})  # of a student, by metric, on the images that it learned from


class OutputsManifest(Manifest):
    """What the manifest of a teacher's outputs says."""

    kind: Literal["outputs"]


class EvaluationManifest(Manifest):
    """What the manifest of an evaluation says."""

    kind: Literal["evaluation"]
    config: Annotated[Config, fits(OfRun)]
    test_set: Name
    accuracy: Real | None = None


class ShiftManifest(Manifest):
    """What the manifest of an evaluation under shift says; `accuracy` is its mean."""

    kind: Literal["shift"]
    config: Annotated[Config, fits(OfRun)]
    test_set: Name
    accuracy: Real | None = None


class CostsManifest(Manifest):
    """What the manifest of a network's costs says, on one thread of a CPU.

    Latency in milliseconds at batch 1, images per second at batch 128; `macs` are multiply-accumulates of an image.
    """

    kind: Literal["costs"]
    config: Annotated[Config, fits(OfRun)]
    parameters: Integer
    macs: Integer
    bytes: Integer
    latency_p50: Real
    latency_p99: Real
    images_per_second: Real


MANIFESTS: TypeAdapter[Manifest] = TypeAdapter(
    Annotated[
        ModelManifest | OutputsManifest | EvaluationManifest | ShiftManifest | CostsManifest, Discriminator("kind")
    ]
)


class Need(Record):
    """A run that a job waits for; [kind, id, folder] where it is written."""

    kind: Kind
    id: Id
    folder: Name

    @model_validator(mode="before")
    @classmethod
    def from_list(cls, value: object) -> object:
        return dict(zip(cls.model_fields, value, strict=False)) if isinstance(value, list) else value


class Anywhere(Record):
    """What the config of a job that trains is asked for before it is checked."""

    outputs: str


class Job(Record):
    """One job: what to make, which runs it needs, whether others wait for it, whether it waits for who holds its run.

    `bank` are the jobs of all students that train together, the job's own among them; `trackers` hear of a training.
    """

    kind: Kind
    config: Annotated[Config, fits(Anywhere)]
    id: Id | None = None
    needs: Many[Need] = ()
    awaited: bool = True
    wait: bool = True
    trackers: Many[Name] = ()
    bank: "Many[Member]" = ()


class Member(Job):
    """The job of one student of a bank."""

    kind: Literal["student"]
    id: Id
    folder: Name


class EvaluationJob(Job):
    """The job of an evaluation."""

    kind: Literal["evaluation"]
    config: Annotated[Config, fits(EvaluationConfig)]


class ShiftJob(Job):
    """The job of an evaluation under shift."""

    kind: Literal["shift"]
    config: Annotated[Config, fits(ShiftConfig)]


class CostsJob(Job):
    """The job of measuring what a network costs to run."""

    kind: Literal["costs"]
    config: Annotated[Config, fits(CostsConfig)]


class TrainingJob(Job):
    """Any other job."""

    kind: Literal["teacher", "outputs", "student"]


JOBS: TypeAdapter[Job] = TypeAdapter(
    Annotated[EvaluationJob | ShiftJob | CostsJob | TrainingJob, Discriminator("kind")]
)


class StageReport(Record):
    """What a job tells of its stage, in a file beside it."""

    state: Literal["blocked", "running", "stopped", "failed", "finished", "diverged"]
    error: str
    seconds: Real
    host: Printable
