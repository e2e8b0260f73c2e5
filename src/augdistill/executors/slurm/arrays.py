"""How a plan's stages become SLURM's job arrays: which stages share a job, which jobs an array, what it waits for.

A task is what one teacher or student makes due: itself, its outputs, its evaluations. A job runs one task or several,
in turn. An array of students has the indices of the teachers' array that it waits for, so that by `aftercorr` each job
starts when its own teacher is done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from augdistill.config.checking import OF_RUNS
from augdistill.executors.banks import Banks
from augdistill.study.stage import Stage

SHORT = 20  # evaluations and outputs that one job takes where nothing else is due

Stages = list[Stage]


class ArrayTask(NamedTuple):
    """A job of an array, by the array's name."""

    array: str
    task: int


@dataclass(frozen=True)
class Array:
    """One submission: what each of its jobs runs, and what they wait for.

    If `aligned`, each waits for the job of its own index in that array, else all of them for all of `after`. A bank
    waits for these to end, however they do: it trains the students whose teachers are there.
    """

    name: str
    kind: str  # whose resources its jobs need, a teacher's or a student's
    jobs: Mapping[int, Stages]
    aligned: str = ""
    after: tuple[ArrayTask, ...] = ()
    is_bank: bool = False

    @property
    def stages(self) -> list[Stage]:
        return [stage for job in self.jobs.values() for stage in job]

    @property
    def threads(self) -> int:
        """Return the most threads that one of its stages has."""
        return max(stage.threads for stage in self.stages)

    @property
    def places(self) -> dict[str, ArrayTask]:
        """Return where each stage runs, by its id."""
        return {stage.id: ArrayTask(self.name, index) for index, job in self.jobs.items() for stage in job}


def arrange(
    plan: Sequence[Stage],
    todo: Iterable[Stage],
    live: Mapping[str, ArrayTask],
    prefix: str,
    pack: int,
    size: int,
    banks: Banks,
) -> list[Array]:
    """Return the arrays, `prefix-NUMBER-KIND`, of at most `size` jobs each, that run what is to do; parents first.

    `live` says in which jobs stages are that were submitted before and have not ended. A bank is one task.
    """
    tasks = tasks_of(plan, todo, banks)
    awaited = {parent for task in tasks.values() for stage in task for parent in stage.parents}
    placed = dict(live)
    arrays: list[Array] = []
    while tasks:
        groups = grouped(tasks, placed)
        assert groups, "every task left waits for one that never comes"
        for group, waiting in sorted(groups.items(), reverse=True):  # others wait for teachers
            kind = "teacher" if group.teaches else "student"
            most = 1 if group.is_bank else pack
            jobs = {
                index: packed([tasks.pop(home) for home in homes], most, awaited) for index, homes in waiting.items()
            }
            for some in slots(jobs) if group.aligned else parts(jobs[0], size):
                name = f"{prefix}-{len(arrays):02d}-{kind}"
                arrays.append(Array(name, kind, some, group.aligned, group.after, group.is_bank))
                placed |= arrays[-1].places
    return arrays


class Group(NamedTuple):
    """What tasks have in common that can be one array: `aligned` and `after` as an array has them."""

    teaches: bool
    aligned: str
    after: tuple[ArrayTask, ...]
    is_bank: bool


def grouped(tasks: Mapping[str, Stages], placed: Mapping[str, ArrayTask]) -> dict[Group, dict[int, list[str]]]:
    """Return the tasks all of whose parents have their places, by what an array has in common, then by index."""
    unplaced = {stage.id for task in tasks.values() for stage in task}
    groups: dict[Group, dict[int, list[str]]] = {}
    for home, task in tasks.items():
        needed = {parent for stage in task for parent in stage.parents} - {stage.id for stage in task}
        if needed & unplaced:
            continue
        places = tuple(sorted({placed[parent] for parent in needed if parent in placed}))
        is_bank = sum(stage.kind == "student" for stage in task) > 1
        aligned, index = places[0] if len(places) == 1 and not is_bank else ("", 0)
        group = Group(any(stage.kind == "teacher" for stage in task), aligned, () if aligned else places, is_bank)
        groups.setdefault(group, {}).setdefault(index, []).append(home)
    return groups


def tasks_of(plan: Sequence[Stage], todo: Iterable[Stage], banks: Banks) -> dict[str, Stages]:
    """Return what is to do by the teacher, student or bank that it belongs to, these in the plan's order.

    Evaluations of students that are there already go to what is due for their teacher, if anything is.
    """
    homes: dict[str, str] = {}
    for stage in plan:  # outputs and evaluations name the run that they are made from first
        is_model = stage.kind in ("teacher", "student")
        homes[stage.id] = banks.get(stage.id, (stage,))[0].id if is_model else homes[stage.parents[0]]
    tasks: dict[str, Stages] = {}
    for stage in todo:
        tasks.setdefault(homes[stage.id], []).append(stage)
    for home, task in list(tasks.items()):
        others = [homes[parent] for stage in task for parent in stage.parents if homes[parent] != home]
        teacher = next((other for other in others if other in tasks), None)
        if teacher is not None and all(stage.kind in OF_RUNS for stage in task):
            tasks[teacher] += tasks.pop(home)
    return tasks


def packed(tasks: Iterable[Stages], pack: int, awaited: set[str]) -> list[Stages]:
    """Return jobs: a teacher each, `pack` students each, SHORT short stages each unless others wait for them."""
    jobs: list[Stages] = []
    room = Fraction(0)
    for task in tasks:
        kinds = {stage.kind for stage in task}
        share = Fraction(1, pack) if "student" in kinds else Fraction(min(len(task), SHORT), SHORT)
        if "teacher" in kinds or any(stage.kind == "outputs" and stage.id in awaited for stage in task):
            share = Fraction(1)
        if share > room:
            jobs.append([])
            room = Fraction(1)
        jobs[-1] += task
        room -= share
    return jobs


def parts(jobs: Sequence[Stages], size: int) -> list[dict[int, Stages]]:
    """Return the jobs of arrays, `size` in each, numbered from 0."""
    return [dict(enumerate(jobs[first : first + size])) for first in range(0, len(jobs), size)]


def slots(jobs: Mapping[int, Sequence[Stages]]) -> list[dict[int, Stages]]:
    """Return arrays that hold the first job of each index, the second of each that has one, and so on."""
    deepest = max(map(len, jobs.values()))
    return [{index: some[slot] for index, some in jobs.items() if len(some) > slot} for slot in range(deepest)]


def indices(numbers: Iterable[int]) -> str:
    """Return array indices as sbatch takes them: 0-3,7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
