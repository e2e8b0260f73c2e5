"""What is printed never stops the work: a reader that went away, a full disk, a terminal without the letters."""

import errno
import io
import os
import sys
from typing import Any


class Outlet(io.FileIO):
    """A file descriptor to print to; once it takes no more, `lost` says why and all else is dropped.

    The first loss is raised if `raises`, so that a command whose only purpose is to print ends.
    """

    lost: OSError | None = None
    raises = False

    def write(self, data: Any) -> int:
        """Write bytes and return how many; those that are dropped count as written."""
        try:
            if self.lost is None:
                return super().write(data)
        except OSError as error:
            self.lost = error
            if self.raises:
                raise
        return len(data)


def prepare(*, goes_on: bool) -> None:
    """Let stdout and stderr of this process degrade: `goes_on` says whether there is work to do when nobody reads.

    Letters that the terminal's encoding lacks become "?".
    """
    for descriptor in range(3):  # a closed one would be taken by the next file that is opened, and printed into
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = degrading(sys.stdout, 1, raises=not goes_on, errors="replace")
    sys.stderr = degrading(sys.stderr, 2, raises=False, errors="backslashreplace")


def degrading(stream: Any, descriptor: int, *, raises: bool, errors: str) -> Any:
    """Return a stream that writes to a descriptor through an Outlet; one that somebody put in its place stays."""
    if stream not in (None, sys.__stdout__, sys.__stderr__):
        return stream
    outlet = Outlet(descriptor, "wb", closefd=False)
    outlet.raises = raises
    encoding, by_line = (stream.encoding, stream.line_buffering) if stream else ("utf-8", False)
    return io.TextIOWrapper(io.BufferedWriter(outlet), encoding=encoding, errors=errors, line_buffering=by_line)


def flush() -> str:
    """Write out what is buffered and return what stood in the way, nothing for a reader that left."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout.flush()  # which drops it, so that the interpreter's own flush finds nothing
    lost = getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "lost", None)
    return "" if lost is None or lost.errno == errno.EPIPE else str(lost.strerror or lost)
