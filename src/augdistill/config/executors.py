"""The group `executor`: how a study's stages get run."""

import re
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BeforeValidator, Field

from augdistill.base.cores import usable_cores
from augdistill.config.base import AtLeastOne, ByName, Chosen, Count, Group, Whole, wrong

Retries = Annotated[int, Ge(0), Lt(2**31)]


def is_bank(value: object) -> object:
    """Return how many students train together, a number or "auto"."""
    if value == "auto" or (type(value) is int and 1 <= value < 2**31):
        return value
    raise wrong("auto, or how many students train together, 1 or more", "", value, "auto")


class Executor(Group):
    """What every executor has."""

    name: str
    bank: Annotated[Any, BeforeValidator(is_bank)] = Field(default="auto", examples=["auto"])

    @property
    def at_once(self) -> int:
        """How many stages of one thread run at once, as far as this machine can tell."""
        return usable_cores()


class Local(Executor):
    """A pool of worker processes on this machine."""

    workers: AtLeastOne | None = None
    per_device: AtLeastOne = 1
    retries: Retries = 1

    @property
    def at_once(self) -> int:
        return self.workers or usable_cores()


def is_address(value: str) -> str:
    """Return where a Ray cluster is."""
    if value == "auto" or re.fullmatch(r"[^:/]+:\d+", value):
        return value
    raise wrong("null, auto, or HOST:PORT of a cluster that this machine is in", "", value, "auto")


Share = Annotated[float, Gt(0), Le(1)]


class Shares(Group):
    """The share of a GPU that a stage of each kind takes."""

    teacher: Share = 1.0
    outputs: Share = 0.5
    student: Share = 0.2
    evaluation: Share = 0.2
    shift: Share = 0.2


class Ray(Executor):
    """Tasks of a Ray cluster."""

    address: Annotated[str, AfterValidator(is_address)] | None = Field(default=None, examples=["auto"])
    retries: Retries = 3
    gpus: Shares = Shares()


class Resources(Group):
    """What a SLURM job asks for; null is what the partition gives, of cpus as many as the job's threads."""

    gpus: Count = 0
    cpus: AtLeastOne | None = Field(default=None, examples=[4])
    mem_gb: Annotated[float, Ge(1), Lt(2**31)] | None = Field(default=None, examples=[16])
    minutes: Annotated[int, Ge(2), Lt(2**31)] | None = 240
    partition: Annotated[str, Field(min_length=1)] | None = Field(default=None, examples=["gpu"])
    sbatch: dict[str, str | int | float | bool | None] = Field(
        default={}, examples=[Whole("+executor.student.sbatch.account=NAME")]
    )


class Slurm(Executor):
    """Arrays of jobs on a SLURM cluster."""

    detach: bool = False
    pack: AtLeastOne = 1
    requeues: Count = 50
    warn_seconds: AtLeastOne = 60
    poll_seconds: AtLeastOne = 30
    teacher: Resources = Resources()
    student: Resources = Resources()


EXECUTORS: dict[str, type[Executor]] = {"local": Local, "ray": Ray, "slurm": Slurm}

TheExecutor = Annotated[Executor, ByName(lambda: tuple(EXECUTORS), EXECUTORS.__getitem__), Chosen("executor")]
