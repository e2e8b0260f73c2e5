"""Clusters of Ray: where nobody answers, what signals ask for, and the file by which a node is known."""

import os
import queue
import signal
import subprocess
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from augdistill.base.errors import RequestError, StoppedError
from augdistill.config.executors import Ray
from augdistill.executors import ray as executor
from augdistill.executors.ray.clusters import Events, enqueue_signal, last_line, next_event, token
from augdistill.store.runs import RunStore
from composed import changed
from conftest import COMMAND, need
from plans import plan_of

need("ray", reason="pip install 'augdistill[ray]'")


@pytest.mark.slow
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
def test_a_study_is_stopped_while_it_looks_at_its_nodes(number, tmp_path):
    """Ray's C++ aborts, or tells of a SystemError, where a handler raises within it."""
    words = [COMMAND, "study", "study=tiny", f"outputs={tmp_path}", "executor=ray"]
    study = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(tmp_path.glob(".ray-*")):
        time.sleep(0.02)
    time.sleep(1)  # its workers start meanwhile, which takes longer
    study.send_signal(number)
    _, stderr = study.communicate(timeout=120)
    assert study.returncode == (130 if number == signal.SIGINT else 143), stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.glob(".ray-*"))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "no.such.host.invalid:6379"])
def test_an_address_where_nobody_answers_is_refused(address, tmp_path):
    with pytest.raises(RequestError, match=f"executor.address={address}: .*ray start --head"):
        executor.run(plan_of({"a": ()}), RunStore(tmp_path), changed(Ray(name="ray"), {"address": address}))


def test_what_a_signal_asks_for_is_raised_in_its_turn():
    events: Events = queue.SimpleQueue()
    ended: Future[str] = Future()
    events.put(ended)
    enqueue_signal(events, StoppedError("stopped"))
    assert next_event(events) is ended
    with pytest.raises(StoppedError, match="stopped"):
        next_event(events)
    with pytest.raises(queue.Empty):
        next_event(events, 0.01)


def test_nodes_look_for_a_file_that_is_there_meanwhile(tmp_path):
    with token(tmp_path / "outputs") as place:
        assert Path(place["token"]).read_text() == place["content"]
        assert Path(place["token"]).parent == tmp_path / "outputs"
        assert place["folder"] == os.getcwd()
    assert list((tmp_path / "outputs").iterdir()) == []


def test_of_a_traceback_the_last_line_is_told():
    assert last_line(ValueError("Traceback:\n  File x\nKeyError: 'y'\n")) == "KeyError: 'y'"
