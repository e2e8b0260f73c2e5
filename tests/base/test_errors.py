"""Errors: one line each, an exit code by kind, keys as they were typed, and what a machine refuses in words."""

import errno
import itertools
import os

import pytest

from augdistill.base import errors
from augdistill.base.errors import (
    AugdistillError,
    ConfigError,
    DataError,
    DivergedError,
    NoMemoryError,
    RequestError,
    StoppedError,
    WorkError,
    as_typed,
    as_work_error,
    lacks_memory,
    refused,
)

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AugdistillError)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_one_line_that_every_terminal_can_write(kind: type[AugdistillError]) -> None:
    error = kind("a\nb\r\nc \ud800")
    assert str(error) == "a b c \\ud800"
    assert error.exit_code == (2 if isinstance(error, RequestError) else 143 if isinstance(error, StoppedError) else 1)


def test_a_diverged_run_keeps_its_history() -> None:
    rows = ({"loss": 1.0},)
    assert DivergedError("x", rows).history == [{"loss": 1.0}]
    assert DivergedError("x").history == []


def test_keys_are_written_as_they_were_typed() -> None:
    with pytest.raises(ConfigError) as raised, as_typed({"dataset.": "study.dataset.", "optim.": "study.optim."}):
        raise ConfigError("dataset.size=7: optim.lr, my-dataset.x, a.dataset.y, teacher_optim.lr and dataset stay")
    assert str(raised.value) == (
        "study.dataset.size=7: study.optim.lr, my-dataset.x, a.dataset.y, teacher_optim.lr and dataset stay"
    )
    with pytest.raises(DataError, match=r"^study\.dataset\.root$"), as_typed({"dataset.": "study.dataset."}):
        raise DataError("dataset.root")
    with pytest.raises(WorkError, match=r"^dataset\.root$"), as_typed({"dataset.": "study.dataset."}):
        raise WorkError("dataset.root")  # no refusal of a request


def chained(*raised: BaseException) -> BaseException:
    """Return the first error, each caused by the next."""
    for error, cause in itertools.pairwise(raised):
        error.__cause__ = cause
    return raised[0]


FULL = OSError(errno.ENOSPC, "No space left on device", "/x/file")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (FULL, WorkError, "No space left on device (/x/file): what was finished is kept, and the same command goes on"),
        (OSError("odd"), WorkError, "odd: what was finished is kept, and the same command goes on"),
        (OSError(errno.ENOMEM, "x"), NoMemoryError, "out of memory: less"),
        (MemoryError(), NoMemoryError, "out of memory: less"),
        (RuntimeError("CUDA out of memory. Tried to"), NoMemoryError, "out of memory: less"),
        (RuntimeError("could not create a primitive"), NoMemoryError, "out of memory: less"),
        (ImportError("libx.so: failed to map segment from it"), NoMemoryError, "out of memory: less"),
        (chained(ImportError("a"), ImportError("b"), FULL), WorkError, "No space left on device (/x/file)"),
        (chained(ImportError("a"), MemoryError()), NoMemoryError, "out of memory: less"),
        (chained(ImportError("a"), ImportError("cannot allocate memory")), NoMemoryError, "out of memory: less"),
        (ImportError(f"libx.so: {os.strerror(errno.EMFILE)}"), WorkError, "Too many open files"),
    ],
)
def test_what_the_machine_refuses_is_one_line(error: Exception, kind: type[WorkError], message: str) -> None:
    with pytest.raises(WorkError) as raised, as_work_error("less"):
        raise error
    assert type(raised.value) is kind
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("error", [BrokenPipeError(), RuntimeError("a bug"), ImportError("a bug"), KeyError("a")])
def test_what_is_not_the_machines_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, as_work_error():
        raise error
    assert raised.value is error
    assert refused(error) is error
    assert not lacks_memory(error)
