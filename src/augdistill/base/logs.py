"""A log of its own for a run, or for a study: what is logged meanwhile, and what ended it."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from augdistill.base.errors import AugdistillError, RunError, StoppedError, as_work_error
from augdistill.base.reading import append_to

log = logging.getLogger("augdistill")

NO_FILE = (errno.ELOOP, errno.ENXIO, errno.EISDIR)  # what opening a link, a pipe or a folder says


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Append what is logged meanwhile, and what ends the run early, to its own `log`; a full disk costs lines only."""
    handler = RunLogHandler(folder / "log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        with as_work_error():
            yield
    except Exception as error:
        level = logging.INFO if isinstance(error, StoppedError) else logging.ERROR
        trace = None if isinstance(error, AugdistillError) else sys.exc_info()
        handler.handle(log.makeRecord(log.name, level, "", 0, f"{type(error).__name__}: {error}", (), trace))
        raise
    finally:
        log.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class RunLogHandler(logging.FileHandler):
    """Writes a run's log; a line that cannot be written is lost; RunError for what is no plain file."""

    def _open(self) -> TextIOWrapper:
        try:
            return open(append_to(Path(self.baseFilename)), "a", encoding="utf-8", errors="backslashreplace")
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in NO_FILE:
                raise
            raise RunError(f"{self.baseFilename} is no regular file, which a log is: remove it") from None

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing where logging would print a traceback."""
