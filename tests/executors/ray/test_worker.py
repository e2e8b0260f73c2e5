"""What runs in a worker of Ray: nothing on a node that shares nothing, and how it ends."""

import json
import os
import signal

import pytest

from augdistill.base.errors import NoMemoryError, StoppedError
from augdistill.executors.base import Outcome
from augdistill.executors.ray import clusters as ray_cluster
from augdistill.executors.ray import worker as ray_worker
from augdistill.store.runs import Run
from conftest import need
from plans import do_nothing

need("ray", reason="pip install 'augdistill[ray]'")


def test_a_node_that_does_not_share_the_folders_says_so(tmp_path):
    from augdistill.stages.folders import versions

    with ray_cluster.token(tmp_path) as place:
        same = {**place, "versions": {**versions(), "python": ""}}
        assert ray_worker.look(json.dumps(same)) == ""
        other = json.dumps({**same, "versions": {**same["versions"], "torch": "1.0"}})
        assert "instead of 1.0: every node needs the same packages" in ray_worker.look(other)
        assert "it does not see" in ray_worker.look(json.dumps({**same, "content": "of another machine"}))
        assert "start it in one that all nodes share" in ray_worker.look(json.dumps({**same, "folder": "/nowhere"}))
    assert "it does not see" in ray_worker.look(json.dumps(same))


def test_a_worker_runs_nothing_on_a_node_that_shares_nothing(tmp_path):
    sent = {"id": "a", "job": {}, "folder": str(tmp_path), "token": str(tmp_path / "none"), "content": "x"}
    outcome = Outcome(**json.loads(ray_worker.run_stage(json.dumps(sent), do_nothing)))
    assert outcome.exit_code == 1
    assert f"node {os.uname().nodename}: it does not see {tmp_path}" in outcome.error


def test_an_interrupt_of_rays_becomes_the_signal_at_which_a_stage_saves():
    """And no other handler of SIGTERM, such as Ray's own, is called by the stage's."""
    from augdistill.base.signals import stop_on_signal

    others: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: others.append(number))
    try:
        with ray_worker.saving_when_cancelled() as cancelled, stop_on_signal() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop()
            assert cancelled == [True]
        assert not others
        signal.raise_signal(signal.SIGTERM)
        assert others
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("raised", "words"),
    [(StoppedError("saved"), "exit"), (NoMemoryError("no memory"), "no memory"), (KeyError("x"), "KeyError: 'x'")],
)
def test_a_worker_ends_or_raises_at_what_ray_tries_again(raised, words, tmp_path, monkeypatch):
    """A stage that was stopped though the study was not cancelled ends its process; one without memory raises."""

    def work(job: dict) -> Run:
        raise raised

    def leave(code: int) -> None:
        raise SystemExit(f"exit {code}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(ray_worker, "quiet_worker", lambda: None)
    monkeypatch.setattr(ray_worker, "listener", lambda: (_ for _ in ()).throw(ValueError))
    with ray_cluster.token(tmp_path) as place:
        message = json.dumps({**place, "id": "a", "job": {}})
        if isinstance(raised, KeyError):
            assert words in ray_worker.run_stage(message, work)
        else:
            with pytest.raises((SystemExit, NoMemoryError), match=words):
                ray_worker.run_stage(message, work)
