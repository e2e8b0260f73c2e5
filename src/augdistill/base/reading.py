"""Reads JSON and arrays that may have come from elsewhere: plain values, and no more memory than a file is large.

Only regular files are opened, nothing in them is executed, no size that a file announces is believed, and every kind of
damage is one RunError that names the file and says what to do.
"""

import hashlib
import io
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import TypeAdapter

from augdistill.base.errors import AugdistillError, RunError
from augdistill.base.model import T, validated
from augdistill.base.text import first_text, is_no_unicode

if TYPE_CHECKING:
    import numpy as np

MAX_TEXT = 2**24  # a config has some kilobytes, a history 100 bytes an epoch
MAX_JSON = 2**28  # metrics of 1,000 classes have 2**25 bytes
MAX_ARRAYS = (
    2**32
)  # ImageNet's 50,000 test images: logits of 1,000 classes and embeddings of 2,048 in float64 are 2**30
MAX_FILE = 2**34  # the widest ResNet18 has 11.5 GB of weights
MAX_HEADER = 1000  # characters that numpy gives to Python's parser; ours have 128
MAX_MEMBERS = 64  # arrays of an archive; ours have three
MAX_FREE, MAX_RATIO = 2**28, 100  # bytes that a member may unpack to, or times what it takes; logits shrink by half
BLOCK = 2**20
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes; others may take memory of their own
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # in JSON; two make one character, one alone makes no text

CheckShape = Callable[[str, tuple[int, ...]], object]
"""Raises ValueError, or an error of ours, for an array of this name that is not to be read, by its shape."""


def read_json(path: Path, model: type[T] | TypeAdapter[T], advice: str) -> T:
    """Return what a file of strict JSON holds. Raises RunError, ending in `advice`, unless it fits its model.

    A file that is not there is FileNotFoundError, here and below.
    """
    with damage(path, advice), opened(path, MAX_JSON) as file:
        content = file.read()
        document = json.loads(content.decode(), parse_constant=_refuse_constant)
        if SURROGATE.search(content) and (place := first_text(is_no_unicode, document)) is not None:
            raise ValueError(f"{place} is no Unicode")
        return validated(model, document)


def read_text(path: Path) -> str:
    """Return what a text file says, whatever its bytes; empty where there is none. Raises RunError."""
    with suppress(FileNotFoundError), damage(path, "remove it"), opened(path, MAX_TEXT) as file:
        return file.read().decode(errors="replace")
    return ""


def read_array(path: Path, advice: str, check_shape: CheckShape | None = None) -> "np.ndarray":
    """Return the one array of a .npy file of numbers or text. Raises RunError, ending in `advice`.

    `check_shape` sees the shape before memory is taken, here and below.
    """
    with damage(path, advice), opened(path, MAX_ARRAYS) as file:
        return array_from(file, os.fstat(file.fileno()).st_size, path.stem, check_shape)


def read_arrays(
    path: Path, advice: str, names: Collection[str] = (), check_shape: CheckShape | None = None
) -> "dict[str, np.ndarray]":
    """Return the arrays of an .npz file by name, only those in `names` if any are given.

    Raises RunError, ending in `advice`, for what is no array and for an archive that unpacks to more than MAX_ARRAYS,
    or to so much more than it takes that no predictions do.
    """
    with damage(path, advice), opened(path, MAX_ARRAYS) as file, zipfile.ZipFile(file) as archive:
        found = {}
        for name, member in _members(archive, os.fstat(file.fileno()).st_size).items():
            if not names or name in names:
                with archive.open(member) as content:
                    found[name] = array_from(content, member.file_size, name, check_shape, member.compress_size)
        return found


def array_names(path: Path, advice: str) -> list[str]:
    """Return the names of the arrays of an .npz file, of which none is read. Raises RunError, ending in `advice`."""
    with damage(path, advice), opened(path, MAX_ARRAYS) as file, zipfile.ZipFile(file) as archive:
        return list(_members(archive, os.fstat(file.fileno()).st_size))


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members of an archive of `size` bytes by the name of their array; raises ValueError for any others."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_ARRAYS:
        raise ValueError(f"it unpacks to more than {MAX_MEMBERS} arrays or {MAX_ARRAYS:,} bytes")
    if sum(member.compress_size for member in members) > size:
        raise ValueError("it announces more than it holds")  # and zipfile would ask for as much memory
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if member.compress_type not in COMPRESSIONS or name == member.filename or name in found:
            raise ValueError(f"{member.filename[:80]!r} is no array as numpy stores it")
        found[name] = member
    return found


def array_from(
    file: IO[bytes], size: int, name: str, check_shape: CheckShape | None = None, compressed: int | None = None
) -> "np.ndarray":
    """Return the array that the `size` bytes of a .npy file hold; raises ValueError unless it fills them exactly.

    Where they were compressed, to `compressed` bytes, their size is only believed within reason.
    """
    import numpy as np  # not needed for a run's manifest, and a tenth of a second

    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(f"an array of format {version}")
    header: Any = _Counted(file, size)
    shape, is_fortran, kind = readers[version](header, max_header_size=MAX_HEADER)
    if kind.hasobject:
        raise ValueError("an array of Python objects")
    left = size - np.lib.format.MAGIC_LEN - header.read_bytes
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != left:
        raise ValueError(f"an array of shape {shape} that does not fill its file")
    if check_shape is not None:
        check_shape(name, shape)
    if compressed is not None and size > max(MAX_FREE, MAX_RATIO * compressed):
        raise ValueError(f"{name[:80]!r} unpacks from {compressed:,} bytes to {size:,}; savez_compressed is for less")
    content = bytearray(left)
    if _fill(file, content) != left or file.read(1):
        raise ValueError(f"an array of shape {shape} that does not fill its file")
    flat: np.ndarray = np.frombuffer(content, dtype=kind)
    return flat.reshape(shape, order="F" if is_fortran else "C")


class _Counted:
    """A file that no header may read beyond its end, and that counts what it read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size, self.read_bytes = file, size, 0

    def read(self, size: int) -> bytes:
        content = self.file.read(min(size, self.size))
        self.read_bytes += len(content)
        return content


def _fill(file: IO[bytes], content: bytearray) -> int:
    """Read until `content` is full, or the file ends, and return how many bytes were read."""
    done, view = 0, memoryview(content)
    while done < len(view) and (block := file.read(min(BLOCK, len(view) - done))):
        view[done : done + len(block)] = block
        done += len(block)
    return done


def tensors_header(content: bytes) -> dict[str, Any]:
    """Return the header of a safetensors file, of which `content` is the beginning; ValueError if that is none."""
    size = int.from_bytes(content[:8], "little")
    if size > len(content) - 8:
        raise ValueError("a header larger than its file")
    header = json.loads(content[8 : 8 + size])
    if not isinstance(header, dict):
        raise ValueError("a header that is no mapping")
    return header


def sha256(path: Path, max_bytes: int = MAX_FILE) -> str:
    """Return the SHA-256 of a regular file's content as hex; raises OSError or ValueError as `opened` does."""
    with opened(path, max_bytes) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[io.BufferedReader]:
    """Open a regular file of at most `max_bytes`; raises OSError or ValueError. All that is read is opened here.

    What was opened is looked at, not what its name led to before; a pipe waits for nobody.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if require_regular(descriptor) > max_bytes:
            raise ValueError(f"larger than {max_bytes:,} bytes")
    except ValueError:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as file:
        yield file


def append_to(path: Path) -> int:
    """Return a descriptor that appends to a regular file, made if need be; OSError or ValueError for anything else."""
    how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, how, 0o644)
    try:
        require_regular(descriptor)
    except ValueError:
        os.close(descriptor)
        raise
    return descriptor


def require_regular(descriptor: int) -> int:
    """Return the size of an open file; raises ValueError unless it is a regular one."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a file")
    return status.st_size


@contextmanager
def damage(path: Path, advice: str) -> Iterator[None]:
    """Turn what readers raise on a damaged or hostile file into one RunError; a missing file stays what it is."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, AugdistillError):
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
