"""The exception tree: what went wrong, and with which exit code the command ends.

    AugdistillError
    ├── RequestError        2    the request was wrong; refused before any work
    │   ├── ConfigError          an unknown or misplaced key, a value of the wrong type or out of range
    │   ├── DataError            a dataset that is missing, corrupt, or not what it should be
    │   ├── ModelError           an image that a model cannot take
    │   └── RunError             a run that is missing, unfinished, damaged or of another kind
    ├── WorkError           1    something failed while working; the last valid state is kept
    │   ├── DivergedError        the training loss became NaN or infinite
    │   ├── HeldError            another process holds the run
    │   └── NoMemoryError        out of memory; executors try again
    └── StoppedError      143    a signal asked to stop; everything is saved

Every message is one line: what was wrong, what is allowed, what to type.
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


class AugdistillError(Exception):
    """Base of every error that this package raises on purpose; one line, whatever values its message quotes."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()).encode("utf-8", "backslashreplace").decode("utf-8"))


class RequestError(AugdistillError):
    """The request was wrong; nothing was written."""

    exit_code = 2


class ConfigError(RequestError):
    """An unknown or misplaced key, a value of the wrong type or out of range."""


class DataError(RequestError):
    """A dataset that is missing, corrupt, or not what it should be."""


class ModelError(RequestError):
    """An image that a model cannot take."""


class RunError(RequestError):
    """A run that is missing, unfinished, damaged or of another kind."""


class WorkError(AugdistillError):
    """Something failed while working; the last valid state is kept."""


class DivergedError(WorkError):
    """The training loss became NaN or infinite; `history` holds the rows of the epochs before."""

    def __init__(self, message: str, history: Sequence[dict[str, float]] = ()) -> None:
        super().__init__(message)
        self.history = list(history)


class HeldError(WorkError):
    """Another process holds the run."""


class NoMemoryError(WorkError):
    """The machine or the device has no more memory."""


class StoppedError(AugdistillError):
    """A signal asked to stop; everything is saved."""

    exit_code = 143


@contextmanager
def as_typed(keys: Mapping[str, str]) -> Iterator[None]:
    """Write config keys in a refusal as the user types them: {"dataset.": "study.dataset."}."""
    try:
        yield
    except RequestError as error:
        pattern = rf"(?<![\w.@-])({'|'.join(map(re.escape, keys))})"
        raise type(error)(re.sub(pattern, lambda found: keys[found[1]], str(error))) from None


@contextmanager
def as_work_error(needs_less: str = "fewer jobs at once need less") -> Iterator[None]:
    """Turn what the machine refuses (space, permission, memory) into one line: WorkError or NoMemoryError.

    `needs_less` says what would take less memory: of what is being done the innermost knows best.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        cause = refused(error)
        if lacks_memory(cause):
            raise NoMemoryError(f"out of memory: {needs_less}") from error
        if not isinstance(cause, OSError):
            raise
        where = f" ({cause.filename})" if cause.filename else ""
        raise WorkError(
            f"{cause.strerror or cause}{where}: what was finished is kept, and the same command goes on"
        ) from error


def refused(error: BaseException) -> BaseException:
    """Return what the machine refused while something was imported, which libraries tell as an ImportError; or `error`.

    A dynamic linker says in words alone what it lacked.
    """
    found: BaseException | None = error
    while isinstance(found, ImportError):
        if os.strerror(errno.EMFILE) in str(found):
            return OSError(errno.EMFILE, os.strerror(errno.EMFILE), found.path)
        if lacks_memory(found):
            return found
        found = found.__cause__ or found.__context__
    return found if isinstance(found, OSError | MemoryError) else error


def lacks_memory(error: BaseException) -> bool:
    """Return whether there was no more memory; torch says so in a RuntimeError, a dynamic linker in an ImportError."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    told = isinstance(error, RuntimeError | ImportError) and any(words in str(error).lower() for words in NO_MEMORY)
    return told or isinstance(error, MemoryError)


NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "could not create a primitive",
    "could not execute a primitive",
)  # the last two are oneDNN's
