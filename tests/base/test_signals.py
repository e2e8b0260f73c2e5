"""The signals that stop, also those of a terminal that closes and of a system that lacks some."""

import importlib
import signal

import pytest

from augdistill.base import signals
from augdistill.base.errors import StoppedError
from augdistill.base.signals import raising_on_signals, stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_each_asks_a_stage_to_save_and_stops_a_study(number):
    before = signal.signal(number, signal.SIG_DFL)  # whatever started the tests, nohup among it
    try:
        with stop_on_signal() as stop:
            signal.getsignal(number)(number, None)
            assert stop()
        with pytest.raises(StoppedError, match="the same command goes on"), raising_on_signals():
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


def test_under_nohup_a_closed_terminal_stops_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signal() as stop, raising_on_signals():
            signal.raise_signal(signal.SIGHUP)
            assert not stop()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_system_without_some_of_them_imports(monkeypatch):
    with monkeypatch.context() as without:
        without.delattr(signal, "SIGUSR1")
        without.delattr(signal, "SIGHUP")
        assert importlib.reload(signals).STOP_SIGNALS == (signal.SIGTERM,)
    assert len(importlib.reload(signals).STOP_SIGNALS) == 3
