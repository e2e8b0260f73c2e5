"""Files that are there whole or not at all."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

WRITING = ".writing-"  # how temporary names begin


def checksum(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a manifest says, its own checksum aside."""
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_atomic(path: Path, content: bytes | Callable[[IO[bytes]], None]) -> None:
    """Write a file, from bytes or by what writes into it, so that it is there whole or not at all, after a crash too.

    Every write that matters goes through here. Raises OSError that names the file.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=WRITING)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        flush_folder(path.parent)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def flush_folder(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, document: object) -> None:
    """Write `document` as strict JSON, atomically."""
    write_atomic(path, as_json(document))


def as_json(document: object) -> bytes:
    """Return `document` as a file of strict JSON."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
