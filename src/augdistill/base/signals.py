"""The signals at which work is saved and ends, where the system has them (Windows lacks two)."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))


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
