"""What nobody can read stops no work: closed pipes, a full disk, an encoding without the letters."""

import os
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from augdistill.cli import streams


def outlet(descriptor: int, *, raises: bool = False, encoding: str = "utf-8") -> TextIOWrapper:
    """Return a stream as `prepare` puts in place of stdout."""
    like = TextIOWrapper(BytesIO(), encoding=encoding)
    original, sys.__stdout__ = sys.__stdout__, like
    try:
        return streams.degrading(like, descriptor, raises=raises, errors="replace")
    finally:
        sys.__stdout__ = original
        like.close()


def closed_pipe() -> int:
    """Return the end of a pipe into which nobody can write any more."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_reader_that_left_is_no_error_where_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = outlet(closed_pipe())
    for _ in range(3):
        print("x" * 100_000, file=stream, flush=True)
    monkeypatch.setattr(sys, "stdout", stream)
    assert streams.flush() == ""


def test_a_reader_that_left_ends_what_only_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = outlet(closed_pipe(), raises=True)
    with pytest.raises(BrokenPipeError):
        print("x", file=stream, flush=True)
    monkeypatch.setattr(sys, "stdout", stream)
    assert streams.flush() == ""  # and the interpreter's own flush at the end finds nothing to do


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    stream = outlet(descriptor)
    print("x", file=stream)
    monkeypatch.setattr(sys, "stdout", stream)
    assert streams.flush() == "No space left on device"
    os.close(descriptor)


def test_letters_that_an_encoding_lacks_become_question_marks() -> None:
    reader, writer = os.pipe()
    print("98.4 \u00b1 0.4 \udcff", file=outlet(writer, encoding="ascii"), flush=True)
    assert os.read(reader, 100) == b"98.4 ? 0.4 ?\n"
    os.close(reader)
    os.close(writer)


def test_a_stream_that_somebody_put_in_place_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert streams.degrading(sys.stdout, 1, raises=False, errors="replace") is sys.stdout
