"""What `runs --watch` shows: what runs now, by whom and how far it is, and what ended last."""

import os
import sys
import time
from dataclasses import dataclass, field

from augdistill.base.checks import one_of
from augdistill.base.errors import RunError
from augdistill.cli.listing import runs_table, table
from augdistill.store.documents import KINDS
from augdistill.store.runs import Run, RunStore, read_run
from augdistill.store.unfinished import Unfinished, folders, unfinished

HOME, END_OF_LINE, BELOW = "\x1b[H", "\x1b[K", "\x1b[J"  # to the first line; clear the line's rest, all lines below


@dataclass
class Watcher:
    """What stands below an outputs folder; manifests are read once."""

    store: RunStore
    kind: str | None
    ended: dict[str, Run] = field(default_factory=dict)
    unfinished: dict[str, Unfinished] = field(default_factory=dict)

    def look(self) -> None:
        """Find what has changed."""
        found, without = folders(self.store, self.kind), []
        self.ended = {name: run for name, run in self.ended.items() if name in found}
        self.unfinished = {}
        for name in sorted(found.keys() - self.ended.keys()):
            try:
                if (run := read_run(found[name])) is not None:
                    self.ended[name] = run
                else:
                    without.append(found[name])
            except RunError:
                self.unfinished[name] = Unfinished(name, damaged=True)
        self.unfinished |= {run.name: run for run in unfinished(self.store, without)}

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
        last = sorted(self.ended.values(), key=lambda run: run.manifest.provenance.ended)
        shown += runs_table(last[-max(1, lines - len(shown) - 2) :]).splitlines()
        return [line[: columns - 1] for line in shown[: lines - 1]]  # terminals wrap and scroll at their very ends


def watch(store: RunStore, kind: str | None, seconds: float) -> None:
    """Show runs until Ctrl-C: on a terminal a screen that refreshes, elsewhere a line per change."""
    if kind is not None:
        one_of("kind", kind, KINDS)
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
