"""`augdistill gc`: the runs that no study needs, and how to be rid of them."""

from collections.abc import Iterable
from pathlib import Path

from augdistill.base.errors import RequestError
from augdistill.base.reading import read_json
from augdistill.base.text import pluralise
from augdistill.store.plans import SavedPlan
from augdistill.store.runs import Run, RunStore
from augdistill.store.tags import tags

MEGABYTE = 2**20


def unneeded(store: RunStore) -> list[Run]:
    """Return the runs that are in no study's plan and have no tag, nor taught or are of one that is or has.

    Those that came from others stand before these, so that they can be removed in this order. Raises RequestError
    where a plan cannot be read: nobody knows what it needs.
    """
    runs = store.all()
    by_id = {run.id: run for run in runs}
    needed = {*tags(store.outputs).values(), *planned(store)}
    waiting = [by_id[id] for id in needed if id in by_id]
    while waiting:
        parents = [id for id in waiting.pop().manifest.document.parents.values() if id not in needed]
        needed.update(parents)
        waiting += [by_id[id] for id in parents if id in by_id]
    needed |= {run.id for run in runs if run.kind == "evaluation" and about(run) in needed}
    rest = [run for run in runs if run.id not in needed]
    return sorted(rest, key=lambda run: (depth(run, by_id), run.path.name), reverse=True)


def planned(store: RunStore) -> Iterable[str]:
    """Yield the ids of all studies' stages."""
    for path in sorted((store.outputs / "studies").glob("*/plan.json")):
        name = path.parent.name
        for stage in read_json(path, SavedPlan, f"augdistill study {name} writes it again; gc waits for that").stages:
            yield stage.id


def about(run: Run) -> str:
    """Return the id of the run that an evaluation is of."""
    return run.manifest.document.parents.get("run", "")


def depth(run: Run, by_id: dict[str, Run]) -> int:
    """Return how many runs stand between one and a run that came from no other."""
    levels, level = 0, {run.id}
    while level := {id for one in level if one in by_id for id in by_id[one].manifest.document.parents.values()}:
        levels += 1
        if levels > len(by_id):
            raise RequestError(
                f"{run.path.name} came from itself, by its parents: augdistill runs remove {run.path.name}"
            )
    return levels


def size(path: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file() and not item.is_symlink())


def collected(store: RunStore, *, remove: bool) -> str:
    """Return a line for each run that no study needs, and their size together; with `remove` they are gone."""
    found = unneeded(store)
    if not found:
        return f"every run below {store.runs.resolve()} is needed by a study, or has a tag"
    sizes = [size(run.path) for run in found]
    if remove:
        for run in found:
            store.remove(run.path)
    word = "removed" if remove else "not needed"
    lines = [f"{word}  {bytes / MEGABYTE:8.1f} MB  {run.path.name}" for run, bytes in zip(found, sizes, strict=True)]
    total = f"{pluralise(len(found), 'run')}, {sum(sizes) / MEGABYTE:.1f} MB"
    end = "removed" if remove else "in no study and without a tag: augdistill gc remove=true removes them"
    return "\n".join([*lines, f"{total} {end}"])
