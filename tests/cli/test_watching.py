"""runs --watch: what runs, by whom and how far it is; a line per change; Ctrl-C ends it."""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from augdistill.cli.watching import BELOW, END_OF_LINE, HOME, Watcher, print_changes
from augdistill.store.runs import RunStore
from conftest import COMMAND

NAME = "teacher-digits-resnet18-mixup-s7-0123abcd"
LOG = (
    "2026-01-01 10:00:00,123 INFO epoch 1/5: loss 2, ce 2, 100 images/s\n"
    "2026-01-01 10:00:10,456 INFO epoch 2/5: loss 1, ce 1, 100 images/s\n"
)


@pytest.fixture
def outputs(tiny_study, tmp_path) -> Path:
    """A copy of the tiny study's runs, and one of which two epochs of five are done."""
    shutil.copytree(tiny_study / "runs", tmp_path / "runs")
    (tmp_path / "runs" / NAME).mkdir()
    (tmp_path / "runs" / NAME / "log").write_text(LOG)
    (tmp_path / "locks").mkdir()
    return tmp_path


def hold(outputs: Path, pid: int) -> str:
    who = f"{socket.gethostname()} pid {pid} since 2026-01-01 10:00:00 UTC"
    (outputs / "locks" / "0123abcd0123abcd01234567.owner").write_text(who)
    return who


def ended_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_what_runs_is_told_from_what_was_left(outputs):
    watcher = Watcher(RunStore(outputs), "teacher")
    watcher.look()
    assert watcher.states()[NAME] == "unfinished 2/5"
    hold(outputs, ended_process())
    watcher.look()
    assert watcher.states()[NAME] == "unfinished 2/5"
    who = hold(outputs, os.getpid())
    watcher.look()
    assert watcher.states()[NAME] == f"running {who} 2/5"
    assert sorted(watcher.states().values())[:2] == ["finished"] * 2
    assert len(watcher.states()) == 3  # of one kind


def test_a_damaged_manifest_is_named_and_hides_nothing(outputs):
    (damaged, *_) = sorted(outputs.glob("runs/teacher-*/manifest.json"))
    damaged.write_text("{")
    watcher = Watcher(RunStore(outputs), "teacher")
    watcher.look()
    assert watcher.states()[damaged.parent.name] == "damaged"
    assert sorted(watcher.states().values()) == ["damaged", "finished", "unfinished 2/5"]


def test_the_screen_shows_what_runs_and_what_ended_last(outputs):
    hold(outputs, os.getpid())
    watcher = Watcher(RunStore(outputs), None)
    watcher.look()
    lines = watcher.screen(200, 12)
    assert len(lines) <= 11  # the last line of a terminal stays free, or it would scroll
    assert lines[0] == "1 running, 0 unfinished, 12 ended; Ctrl-C leaves"
    assert lines[3].split()[:3] == ["running", "2/5", "0:00:30"]
    last = max(run.manifest.provenance.ended for run in watcher.ended.values())
    assert watcher.ended[lines[-1].split()[-1]].manifest.provenance.ended == last


def test_only_changes_are_printed(capsys):
    before = print_changes(None, {"a": "finished", "b": "running me 1/2"})
    assert capsys.readouterr().out.split()[1:] == ["b", "running", "me", "1/2"]
    print_changes(before, {"b": "finished"})
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [["a", "removed"], ["b", "finished"]]


def test_the_command_ends_with_ctrl_c(outputs):
    words = [COMMAND, "runs", "list", "teacher", "--watch", "watch_seconds=0.1", f"outputs={outputs}"]
    watching = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a job in the background has none
    )
    assert watching.stdout is not None
    assert watching.stdout.readline().split()[1:3] == [NAME, "unfinished"]
    hold(outputs, os.getpid())
    assert watching.stdout.readline().split()[1:3] == [NAME, "running"]
    watching.send_signal(signal.SIGINT)
    _, stderr = watching.communicate(timeout=60)
    assert (watching.returncode, stderr) == (0, "")


def take_terminal() -> None:
    """Make stdin the terminal whose Ctrl-C reaches this process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def frames(terminal: int, count: int) -> list[str]:
    """Return so many screens that were drawn whole, each but its cursor's way home."""
    drawn = ""
    while drawn.count(BELOW) < count:
        drawn += os.read(terminal, 65536).decode()
    return [frame.removeprefix(HOME) for frame in drawn.split(BELOW)[:count]]


def test_a_terminal_is_drawn_within_its_size_and_left_as_it_was(outputs):
    """One of 40 columns and 8 lines: fewer than there are runs, narrower than their names."""
    for number in range(10):
        (outputs / "runs" / f"teacher-left-{number}-0000000{number}").mkdir()
    hold(outputs, os.getpid())
    terminal, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 40, 0, 0))
    before = termios.tcgetattr(its)
    words = [COMMAND, "runs", "--watch", "watch_seconds=0.1", f"outputs={outputs}"]
    watching = subprocess.Popen(
        words, stdin=its, stdout=its, stderr=its, start_new_session=True, preexec_fn=take_terminal
    )
    (first,) = frames(terminal, 1)
    assert first.startswith("1 running, 10 unfinished, 12 ended")
    assert first.split(END_OF_LINE)[3].split() == ["running", "2/5", "0:00:30", NAME[:11]]
    (outputs / "locks" / "0123abcd0123abcd01234567.owner").unlink()
    drawn = frames(terminal, 3)
    assert drawn[-1].startswith("0 running, 11 unfinished, 12 ended")
    for frame in [first, *drawn]:
        lines = frame.split(f"{END_OF_LINE}\r\n")
        assert len(lines) == 8
        assert lines[-1] == ""
        assert max(map(len, lines)) == 39
    os.write(terminal, b"\x03")
    assert watching.wait(timeout=60) == 0
    last = os.read(terminal, 65536).decode()
    assert "^C" in last  # perhaps amid a frame
    assert last.endswith("\r\n")
    assert termios.tcgetattr(its) == before
    os.close(terminal)
    os.close(its)
