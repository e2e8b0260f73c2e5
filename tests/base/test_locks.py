"""Locks: who holds one is told, what a dead process held is free, and a file system without them is named."""

import errno
import fcntl
import logging
import os
import socket
from pathlib import Path

import pytest

from augdistill.base.errors import HeldError, WorkError
from augdistill.base.locks import held, holder


def test_who_holds_a_lock_is_told_while_it_is_held(tmp_path: Path) -> None:
    assert holder(tmp_path, "one") is None
    with held(tmp_path, "one", "the run"):
        assert (holder(tmp_path, "one") or "").startswith(f"{socket.gethostname()} pid {os.getpid()} since 20")
        with pytest.raises(HeldError, match=rf"the run is held by .* pid {os.getpid()} since .* UTC: wait=true waits"):
            held(tmp_path, "one", "the run", wait=False).__enter__()
        with held(tmp_path, "two", "another run", wait=False):
            pass
    assert holder(tmp_path, "one") is None


def test_what_a_dead_process_left_is_taken_over_and_that_is_told(tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.INFO, "augdistill")
    (tmp_path / "one.lock").touch()
    (tmp_path / "one.owner").write_text("node7 pid 42 since 2026-01-01 00:00:00 UTC")
    (tmp_path / "two.owner").write_bytes(b"node7 pid 42\n\x1b[2J\xff")
    assert holder(tmp_path, "two") == "node7 pid 42 ?[2J\ufffd"  # as a terminal may see it
    with held(tmp_path, "one", "the run", wait=False):
        assert f"pid {os.getpid()} " in (holder(tmp_path, "one") or "")
    assert caplog.messages == ["taking the run over from node7 pid 42 since 2026-01-01 00:00:00 UTC, which is gone"]


def test_a_lock_is_given_back_by_what_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), held(tmp_path, "one", "the run"):
        raise KeyError
    with held(tmp_path, "one", "the run", wait=False):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_named(number: int, tmp_path: Path, monkeypatch) -> None:
    def flock(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(WorkError, match=rf"{tmp_path} is on a file system without file locks .*outputs=") as raised:
        held(tmp_path, "one", "the run").__enter__()
    assert "\n" not in str(raised.value)
    assert holder(tmp_path, "one") is None


def test_what_else_the_machine_refuses_is_told_as_it_is(tmp_path: Path, monkeypatch) -> None:
    def flock(*arguments: object) -> None:
        raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="bad disk"):
        held(tmp_path, "one", "the run").__enter__()
