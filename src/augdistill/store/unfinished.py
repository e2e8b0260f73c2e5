"""What was begun below an outputs folder and has no end: runs without a manifest, and banks of students."""

import os
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from augdistill.base.locks import holder
from augdistill.base.reading import MAX_FILE, opened
from augdistill.store.runs import RunStore

EPOCH = re.compile(
    r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ INFO epoch (\d{1,9})/(\d{1,9}):", re.MULTILINE
)  # of a run's log
TAIL = 4096  # bytes of a log in which the last epochs are looked for


@dataclass(frozen=True)
class Unfinished:
    """A bank, or a run whose manifest is missing or damaged: who holds it, its last epoch of how many, the time left.

    Each is "" where there is none.
    """

    name: str
    holder: str = ""
    epoch: str = ""
    left: str = ""
    damaged: bool = False

    @property
    def state(self) -> str:
        return "damaged" if self.damaged else "running" if self.holder else "unfinished"


def folders(store: RunStore, kind: str | None) -> dict[str, Path]:
    """Return the folders of banks and runs, or of one kind of run, by name."""
    prefix = f"{kind}-" if kind else ""
    paths = [path for place in (store.runs, store.banks) if place.is_dir() for path in sorted(place.iterdir())]
    return {path.name: path for path in paths if path.name.startswith(prefix) and path.is_dir()}


def unfinished(store: RunStore, paths: Iterable[Path]) -> Iterator[Unfinished]:
    """Yield how folders without a manifest stand; not of banks at work, which their students tell."""
    held_by = dict(holders(store))
    for path in paths:
        who = held_by.get(path.name.rpartition("-")[2][:8], "")
        if not who or path.parent != store.banks:
            yield Unfinished(path.name, who, *progress(path / "log"))


def holders(store: RunStore) -> Iterator[tuple[str, str]]:
    """Yield the first digits of the identities whose locks are held, and by whom; not by dead processes here."""
    for path in (store.outputs / "locks").glob("*.owner"):
        who = holder(path.parent, path.stem) or ""  # given back meanwhile
        host, _, pid, *_ = [*who.split(), "", "", ""]
        if who and (host != socket.gethostname() or Path(f"/proc/{pid}").exists()):
            yield path.name[:8], who


def progress(log: Path) -> tuple[str, str]:
    """Return the last epoch in a run's log, "3/25", and the time left at the pace of the last; "" where unknown."""
    try:
        with opened(log, MAX_FILE) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            found = EPOCH.findall(file.read(TAIL).decode(errors="replace"))
    except (OSError, ValueError):  # no log, or nothing that could be one
        return "", ""
    if not found:
        return "", ""
    _, done, epochs = found[-1]
    return f"{done}/{epochs}", time_left([when for when, *_ in found[-2:]], int(epochs) - int(done))


def time_left(ends: list[str], epochs: int) -> str:
    """Return how long epochs take at the pace of the last two that ended; "" for times that tell none."""
    try:
        times = [datetime.fromisoformat(when) for when in ends]
        left = (times[-1] - times[0]) * epochs
    except (ValueError, OverflowError):  # no days of any calendar, or more than a calendar has
        return ""
    return str(left) if left > timedelta(0) else ""
