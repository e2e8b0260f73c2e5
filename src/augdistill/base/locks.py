"""One writer at a time: advisory file locks of the operating system, and beside each a note of who holds it.

The lock of a dead process is free at once, also of one that was killed or whose machine lost power. On a file system
that several machines share, locks must reach all of them, as flock does on NFS 4, Lustre (mounted with flock), GPFS
and CephFS.
"""

import errno
import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from augdistill.base.errors import HeldError, WorkError
from augdistill.base.reading import opened
from augdistill.base.text import printable_line

log = logging.getLogger(__name__)

POLL = 0.2  # seconds between two looks at a lock that another process holds
MAX_NOTE = 4096  # bytes; a host's name has 255 at most
UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)


@contextmanager
def held(folder: Path, name: str, what: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock `name` of a folder; while it is held elsewhere wait, saying for whom, or raise HeldError.

    Raises WorkError where the file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(folder / f"{name}.lock"), folder / f"{name}.owner"
    try:
        try_to_hold(lock)
    except Timeout:
        if not wait:
            whom = holder(folder, name) or "another process"
            raise HeldError(f"{what} is held by {whom}: wait=true waits for it") from None
        log.info("waiting for %s, held by %s", what, holder(folder, name) or "another process")
        lock.acquire(poll_interval=POLL)
    try:
        if owner.exists():
            log.info("taking %s over from %s, which is gone", what, holder(folder, name))
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        owner.unlink(missing_ok=True)  # whatever it was, a link to elsewhere too
        with owner.open("x", encoding="utf-8") as file:
            file.write(f"{socket.gethostname()} pid {os.getpid()} since {since}")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def try_to_hold(lock: FileLock) -> None:
    """Take a lock that is free, else raise Timeout; WorkError where there are none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # filelock would fall back to a lock that outlives a killed process
            lock.acquire(timeout=0)
    except Timeout:
        raise
    except (OSError, NotImplementedError, UserWarning) as error:
        if isinstance(error, OSError) and error.errno not in UNSUPPORTED:
            raise
        raise WorkError(
            f"{Path(lock.lock_file).parent} is on a file system without file locks (flock): name another with outputs="
        ) from None


def holder(folder: Path, name: str) -> str | None:
    """Return who holds a lock or ended without giving it back: host, process, since when; None if nobody says so."""
    try:
        with opened(folder / f"{name}.owner", MAX_NOTE) as file:
            return printable_line(file.read().decode(errors="replace")) or None
    except (OSError, ValueError):
        return None
