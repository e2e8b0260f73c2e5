"""What is seen of a study while it runs: a line per worker on a terminal, a line a minute elsewhere; all in its log."""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from augdistill.base.errors import RunError
from augdistill.base.logs import RunLogHandler
from augdistill.base.text import pluralise

log = logging.getLogger(__name__)

DETAIL = {"is_detail": True}  # of a line that a study's log has and its terminal has not
EVERY = 60.0  # seconds between two lines where there is no terminal
MOST_LINES = 16  # of workers, on a terminal
LINE = logging.Formatter("%(asctime)s %(levelname)s %(message)s")


class Display:
    """Shows the stages that run; `progress` says in words how far the study is."""

    def __init__(self, name: str, total: int, folder: Path, progress: Callable[[], str]) -> None:
        self.name, self.total, self.folder, self.progress = name, total, folder, progress
        self.running: dict[str, str] = {}  # id -> what is shown of it
        self.lines: dict[str, tqdm[Any]] = {}
        self.bar: tqdm[Any] | None = None
        self.is_over = threading.Event()

    def started(self, id: str, folder: str) -> None:
        """Show a stage that runs now."""
        self.running[id] = shown = re.sub(r"-[0-9a-f]{8,24}(?=-|$)", "", folder)
        taken = {line.pos for line in self.lines.values()}
        free = next((place for place in range(1, MOST_LINES + 1) if -place not in taken), None)
        if self.bar is not None and free is not None:
            self.lines[id] = tqdm(desc=shown, total=1, position=free, leave=False, bar_format="  {desc}, {elapsed}")

    def ended(self, id: str, done: int) -> None:
        """Show it no more; `done` stages of all have ended."""
        self.running.pop(id, None)
        if (line := self.lines.pop(id, None)) is not None:
            line.close()
        if self.bar is not None:
            self.bar.set_postfix_str(self.progress(), refresh=False)
            self.bar.update(done - self.bar.n)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show what runs while the block does, and write every line to the study's own log."""
        look = "{desc} |{bar}| {elapsed}, {postfix}"  # the bar's own time left takes all stages for alike
        with study_log(self.folder), tqdm(total=self.total, disable=None, desc=self.name, bar_format=look) as bar:
            if bar.disable:
                log.info("%s to do, a line a minute; each of them in %s", pluralise(self.total, "stage"), self.log)
                with without_details(), self.ticking(EVERY, self.tell):
                    yield
                return
            self.bar = bar
            with logging_redirect_tqdm(), without_details(), self.ticking(1.0, self.refresh):
                yield
            for line in self.lines.values():
                line.close()

    @property
    def log(self) -> Path:
        """The study's own log."""
        return self.folder / "log"

    @contextmanager
    def ticking(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Do something every so many seconds meanwhile."""

        def tick() -> None:
            while not self.is_over.wait(seconds):
                act()

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield
        finally:
            self.is_over.set()
            clock.join()

    def tell(self) -> None:
        """Say in a line how far the study is, and what runs."""
        names = list(self.running.values())
        more = f" and {len(names) - 3} more" if names[3:] else ""
        log.info("%s; running: %s%s", self.progress(), ", ".join(names[:3]) or "nothing", more)

    def refresh(self) -> None:
        """Let the times of the lines go on."""
        for line in list(self.lines.values()):
            line.refresh()


@contextmanager
def study_log(folder: Path) -> Iterator[None]:
    """Append every line meanwhile to the log of a study in its folder; one that cannot be written costs lines only."""
    root, handler = logging.getLogger("augdistill"), None
    with suppress(OSError, RunError):
        folder.mkdir(parents=True, exist_ok=True)
        handler = RunLogHandler(folder / "log", encoding="utf-8")
        handler.setFormatter(LINE)
        root.addHandler(handler)
    try:
        yield
    finally:
        if handler is not None:
            root.removeHandler(handler)
            with suppress(OSError):
                handler.close()


def is_no_detail(record: logging.LogRecord) -> bool:
    """Return whether a line is for the terminal too."""
    return not getattr(record, "is_detail", False)


@contextmanager
def without_details() -> Iterator[None]:
    """Keep details from what writes to the terminal meanwhile."""
    consoles = [handler for handler in logging.getLogger().handlers if is_console(handler)]
    for handler in consoles:
        handler.addFilter(is_no_detail)
    try:
        yield
    finally:
        for handler in consoles:
            handler.removeFilter(is_no_detail)


def is_console(handler: logging.Handler) -> bool:
    """Return whether a handler writes to a terminal: the plain one, or the one that tqdm puts in its place."""
    return type(handler).__name__ in ("StreamHandler", "_TqdmLoggingHandler")
