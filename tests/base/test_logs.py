"""The log of a run: it tells how the run ended, and never ends it."""

import logging
import resource
from pathlib import Path

import pytest

from augdistill.base.errors import NoMemoryError, RunError, StoppedError, WorkError
from augdistill.base.logs import run_log

log = logging.getLogger("augdistill.stages.test")


def ended_by(error: Exception, raised: type[Exception], folder: Path) -> str:
    """Return the log of a run that an error ended, after looking at what was raised."""
    with pytest.raises(raised), run_log(folder):
        raise error
    return (folder / "log").read_text()


@pytest.mark.parametrize(
    ("error", "raised", "line"),
    [
        (StoppedError("stopped at step 3"), StoppedError, "INFO StoppedError: stopped at step 3"),
        (RunError("no teacher"), RunError, "ERROR RunError: no teacher"),
        (OSError(28, "No space left", "out/weights"), WorkError, "ERROR WorkError: No space left (out/weights)"),
        (MemoryError(), NoMemoryError, "ERROR NoMemoryError: out of memory: fewer jobs at once need less"),
        (RuntimeError("CUDA out of memory. Tried"), NoMemoryError, "ERROR NoMemoryError: out of memory: fewer jobs"),
    ],
)
def test_what_ends_a_run_is_one_line_of_its_log(error, raised, line: str, tmp_path: Path) -> None:
    text = ended_by(error, raised, tmp_path)
    assert text.count("\n") == 1
    assert line in text


def test_an_error_of_our_own_making_leaves_its_traceback(tmp_path: Path) -> None:
    text = ended_by(KeyError("typo"), KeyError, tmp_path)
    assert "ERROR KeyError: 'typo'" in text
    assert "Traceback" in text


def test_a_log_that_cannot_be_written_costs_its_lines_only(tmp_path: Path, capfd) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
    try:
        with run_log(tmp_path):
            for _ in range(3):
                log.warning("a line that is longer than what is left of the disk, by some way")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capfd.readouterr().err == ""
    assert (tmp_path / "log").stat().st_size <= 40
