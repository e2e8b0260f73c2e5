"""The signals at which work is saved and ends, where the system has them (Windows lacks two).

Whoever trains is asked to stop; a study that only waits is interrupted; what must not be interrupted takes note.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from augdistill.base.errors import StoppedError

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
STOPPED = "stopped by a signal, everything saved: the same command goes on from here"


def stop_signals() -> list[int]:
    """Return the numbers of the signals that ask to save and stop; not those that are ignored, as nohup does SIGHUP."""
    return [int(number) for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def handling(*numbers: int, by: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Set the handler of signals, and those that were there before at the end."""
    before = {number: signal.signal(number, by) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class StopRequest:
    """Whether a signal asked this process to save and stop; the handler of Ctrl-C, whose second time does not wait."""

    requested: bool = False
    interrupted: bool = False

    def __call__(self) -> bool:
        return self.requested

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            signal.default_int_handler(number, frame)
        self.requested = self.interrupted = True


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Turn SIGTERM, SIGUSR1, SIGHUP and Ctrl-C into a request that the training loop reads; in the main thread only.

    Within another such block both are told: what runs now stops, and what would run after it is not begun. A Ctrl-C
    that came too late for the loop is a KeyboardInterrupt at the end; one that is somebody else's to handle stays so.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        request.requested = True
        outer = before[number]
        if callable(outer):
            outer(number, frame)

    before = {int(number): signal.signal(number, ask) for number in stop_signals()}
    ours = signal.getsignal(signal.SIGINT)
    if ours is signal.default_int_handler or isinstance(getattr(ours, "__self__", None), StopRequest):
        before[int(signal.SIGINT)] = signal.signal(signal.SIGINT, request.interrupt)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if request.interrupted:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def raising_on_signals() -> Iterator[None]:
    """Turn the signals that stop into StoppedError while a study runs, so that its workers save before it ends."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise StoppedError(STOPPED)

    with handling(*stop_signals(), by=stop):
        yield


@contextmanager
def recording_signals(record: Callable[[BaseException], None]) -> Iterator[None]:
    """Record what Ctrl-C and the signals that stop would raise, and raise nothing: for what cannot be interrupted."""

    def stop(number: int, frame: FrameType | None) -> None:
        record(KeyboardInterrupt() if number == signal.SIGINT else StoppedError(STOPPED))

    with handling(*stop_signals(), signal.SIGINT, by=stop):
        yield
