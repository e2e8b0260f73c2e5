"""Reads JSON and arrays that may have come from elsewhere: plain values, and no more memory than a file is large.

Nothing in a file is executed, no size that a file announces is believed, and every kind of damage is one RunError that
names the file and says what to do.
"""

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from augdistill.errors import RunError
from augdistill.schemas import misfit

MAX_TEXT = 2**24  # a config has some kilobytes, a history 100 bytes an epoch
MAX_JSON = 2**28  # metrics of 1,000 classes have 2**25 bytes
MAX_ARRAYS = (
    2**32
)  # ImageNet's 50,000 test images: logits of 1,000 classes and embeddings of 2,048 in float64 are 2**30
MAX_HEADER = 1000  # characters that numpy gives to Python's parser; ours have 128
MAX_MEMBERS = 64  # arrays of an archive; ours have three
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes; others may take memory of their own


def read_json(path: Path, schema: Any, advice: str) -> Any:
    """Return what a file of strict JSON holds. Raises RunError, ending in `advice`, unless it fits `schema`.

    A file that is not there is FileNotFoundError, here and below.
    """
    with damage(path, advice), opened(path, MAX_JSON) as file:
        document = json.loads(file.read(), parse_constant=_refuse_constant)
        if (place := misfit(document, schema)) is not None:
            raise ValueError(f"{place} is missing or not what it must be")
        return document


def read_text(path: Path) -> str:
    """Return what a text file says, whatever its bytes; empty where there is none. Raises RunError."""
    with suppress(FileNotFoundError), damage(path, "remove it"), opened(path, MAX_TEXT) as file:
        return file.read().decode(errors="replace")
    return ""


def read_array(path: Path, advice: str) -> np.ndarray:
    """Return the one array of a .npy file of numbers or text. Raises RunError, ending in `advice`."""
    with damage(path, advice), opened(path, MAX_ARRAYS) as file:
        return array_from(file.read())


def read_arrays(path: Path, advice: str, names: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name, only those in `names` if any are given.

    Raises RunError, ending in `advice`, for what is no array and for an archive that unpacks to more than MAX_ARRAYS.
    """
    with damage(path, advice), opened(path, MAX_ARRAYS) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_ARRAYS:
            raise ValueError(f"it unpacks to more than {MAX_MEMBERS} arrays or {MAX_ARRAYS:,} bytes")
        if sum(member.compress_size for member in members) > path.stat().st_size:
            raise ValueError("it announces more than it holds")  # and zipfile would ask for as much memory
        found = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if member.compress_type not in COMPRESSIONS or name == member.filename or name in found:
                raise ValueError(f"{member.filename[:80]!r} is no array as numpy stores it")
            if not names or name in names:
                found[name] = array_from(archive.read(member))
        return found


def array_from(content: bytes) -> np.ndarray:
    """Return the array that the content of a .npy file holds; raises ValueError unless it fills the file exactly."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(f"an array of format {version}")
    shape, is_fortran, kind = readers[version](file, max_header_size=MAX_HEADER)
    if kind.hasobject:
        raise ValueError("an array of Python objects")
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(content) - file.tell():
        raise ValueError(f"an array of shape {shape} that does not fill its file")
    flat: np.ndarray = np.frombuffer(content, dtype=kind, offset=file.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[BinaryIO]:
    """Open a regular file of at most `max_bytes`; raises OSError or ValueError."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ValueError("not a file")
    if status.st_size > max_bytes:
        raise ValueError(f"larger than {max_bytes:,} bytes")
    with path.open("rb") as file:
        yield file


@contextmanager
def damage(path: Path, advice: str) -> Iterator[None]:
    """Turn what readers raise on a damaged or hostile file into one RunError; a missing file stays what it is."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except Exception as error:  # parsers of JSON, zip and numpy's headers raise almost anything on hostile files
        raise RunError(f"{path} cannot be read ({in_short(error)}): {advice}") from None


def in_short(error: Exception) -> str:
    """Return what an error says, as one short line."""
    return " ".join(str(error).split())[:120] or type(error).__name__


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def names_by_digits(runs: Path) -> Mapping[str, list[str]]:
    """Return the names of runs' folders by the first eight digits of their identity; none where there are no runs."""
    try:
        return _names_by_digits(runs, runs.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=4)
def _names_by_digits(runs: Path, changed_ns: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(os.listdir(runs)):
        found.setdefault(name.rpartition("-")[2][:8], []).append(name)
    return found
