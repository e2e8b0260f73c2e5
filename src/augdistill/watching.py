"""What `runs --watch` shows: what runs now, by whom and how far it is, and what ended last."""

import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from augdistill.config import one_of
from augdistill.errors import RunError
from augdistill.listing import runs_table, table
from augdistill.runs import Run, RunStore, read_manifest
from augdistill.schemas import KINDS, printable

HOME, END_OF_LINE, BELOW = "\x1b[H", "\x1b[K", "\x1b[J"  # to the first line; clear the line's rest, all lines below
EPOCH = re.compile(r"^(\S+ \S+),\d+ INFO epoch (\d+)/(\d+):", re.MULTILINE)  # of a run's log
TAIL = 4096  # bytes of a log in which the last epochs are looked for


@dataclass(frozen=True)
class Unfinished:
    """A run without a manifest, or with a damaged one: who holds it, its last epoch of how many, the time left.

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


@dataclass
class Watcher:
    """What stands below an outputs folder; manifests are read once."""

    store: RunStore
    kind: str | None
    ended: dict[str, Run] = field(default_factory=dict)
    unfinished: dict[str, Unfinished] = field(default_factory=dict)

    def look(self) -> None:
        """Find what has changed."""
        prefix = f"{self.kind}-" if self.kind else ""
        paths = self.store.runs.iterdir() if self.store.runs.is_dir() else ()
        found = {path.name: path for path in sorted(paths) if path.name.startswith(prefix)}
        self.ended = {name: run for name, run in self.ended.items() if name in found}
        self.unfinished, holders = {}, dict(self.holders())
        for name in sorted(found.keys() - self.ended.keys()):
            try:
                if (manifest := read_manifest(found[name])) is not None:
                    self.ended[name] = Run(found[name], manifest)
                    continue
            except RunError:
                self.unfinished[name] = Unfinished(name, damaged=True)
                continue
            holder = holders.get(name.rpartition("-")[2][:8], "")
            self.unfinished[name] = Unfinished(name, holder, *progress(found[name] / "log"))

    def holders(self) -> Iterator[tuple[str, str]]:
        """Yield the first digits of the identities whose locks are held, and by whom; not by dead processes here."""
        for path in (self.store.outputs / "locks").glob("*.owner"):
            try:
                who = printable(path.read_text())
            except FileNotFoundError:  # given back meanwhile
                continue
            host, _, pid, *_ = [*who.split(), "", "", ""]
            if host != socket.gethostname() or Path(f"/proc/{pid}").exists():
                yield path.name[:8], who

    def states(self) -> dict[str, str]:
        """Return each run's state, and of what runs, by whom and its epoch."""
        running = {name: (run.state, run.holder, run.epoch) for name, run in self.unfinished.items()}
        ended = {name: run.status for name, run in self.ended.items()}
        return ended | {name: " ".join(filter(None, words)) for name, words in running.items()}

    def screen(self, columns: int, lines: int) -> list[str]:
        """Return the lines that fit: all that is unfinished, what runs first, then what ended last."""
        unfinished = sorted(self.unfinished.values(), key=lambda run: not run.holder)
        running = sum(bool(run.holder) for run in unfinished)
        head = f"{running} running, {len(unfinished) - running} unfinished, {len(self.ended)} ended; Ctrl-C leaves"
        rows = [(run.state, run.epoch, run.left, run.name, run.holder) for run in unfinished]
        shown = [head, "", *table(("status", "epoch", "left", "run", "by"), rows).splitlines(), ""]
        last = sorted(self.ended.values(), key=lambda run: str(run.manifest["provenance"]["ended"]))
        shown += runs_table(last[-max(1, lines - len(shown) - 2) :]).splitlines()
        return [line[: columns - 1] for line in shown[: lines - 1]]  # terminals wrap and scroll at their very ends


def progress(log: Path) -> tuple[str, str]:
    """Return the last epoch in a run's log, "3/25", and the time left at the pace of the last; "" where unknown."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            found = EPOCH.findall(file.read().decode(errors="replace"))
    except FileNotFoundError:
        return "", ""
    if not found:
        return "", ""
    _, done, epochs = found[-1]
    times = [datetime.fromisoformat(when) for when, *_ in found[-2:]]
    pace = times[-1] - times[0] if len(times) == 2 else timedelta(0)
    return f"{done}/{epochs}", str(pace * (int(epochs) - int(done))) if pace else ""


def watch(store: RunStore, kind: str | None, seconds: float) -> None:
    """Show runs until Ctrl-C: on a terminal a screen that refreshes, elsewhere a line per change."""
    if kind is not None:
        one_of("the kind", kind, KINDS)
    watcher, before = Watcher(store, kind), None
    try:
        while True:
            watcher.look()
            if sys.stdout.isatty():
                lines = watcher.screen(*os.get_terminal_size(sys.stdout.fileno()))  # not $COLUMNS, which may be old
                print(HOME + "".join(f"{line}{END_OF_LINE}\n" for line in lines) + BELOW, end="", flush=True)
            else:
                before = print_changes(before, watcher.states())
            time.sleep(seconds)
    except KeyboardInterrupt:
        print()


def print_changes(before: dict[str, str] | None, now: dict[str, str]) -> dict[str, str]:
    """Print a line per run that stands otherwise than before, at first per run that is not at its end; return `now`."""
    for name in sorted({*(before or {}), *now}):
        old, new = (before or {}).get(name), now.get(name, "removed")
        if old != new and (before is not None or new.startswith(("running", "unfinished", "damaged"))):
            print(f"{time.strftime('%H:%M:%S')} {name} {new}", flush=True)
    return now
