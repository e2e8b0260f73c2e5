"""Small helpers around files: bounded reading, publishers' checksums, folders that vanish when work fails."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from augdistill.base.errors import DataError, RequestError
from augdistill.base.reading import opened

PACKED: ContextVar[list[Path] | None] = ContextVar("PACKED", default=None)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; where what follows fails, remove the ones that are new."""
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # from a folder that another process has filled meanwhile
            for path in created:
                path.rmdir()
        raise


@contextmanager
def unpacked_if_refused(cache: Path) -> Iterator[None]:
    """Where a request is refused meanwhile, remove what was packed into `cache` for it, and folders that are new."""
    created = [path for path in (cache, *cache.parents) if not path.exists()]
    packed: list[Path] = []
    token = PACKED.set(packed)
    try:
        yield
    except RequestError:
        for path in packed:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        with suppress(OSError):  # from a folder that another process has filled meanwhile
            for path in created:
                path.rmdir()
        raise
    finally:
        PACKED.reset(token)


def note_packed(*paths: Path) -> None:
    """Say what was packed, to `unpacked_if_refused` if that is asked for."""
    if (packed := PACKED.get()) is not None:
        packed += paths


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file of at most `max_bytes`; raises DataError if it is larger or cannot be read."""
    try:
        with opened(path, max_bytes) as file:
            return file.read(min(max_bytes, os.fstat(file.fileno()).st_size))  # so many bytes of memory are taken
    except ValueError as error:
        raise DataError(f"{path} is {error}: this is not the publisher's file") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def check_publisher(path: Path, checksum: str, name: str, *content: bytes) -> None:
    """Raise DataError unless `content`, of the file `path`, has the publisher's `checksum` ("md5:..", "sha256:..")."""
    algorithm, expected = checksum.split(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for part in content:
        digest.update(part)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{path} is not the publisher's file ({algorithm} {digest.hexdigest()}, not {expected}); move it away and "
            f"type `augdistill data fetch {name}`, or accept a locally modified copy with dataset.verify=false"
        )
