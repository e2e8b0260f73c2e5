"""The packed cache: each split as one array file, read once from its source, then mapped in milliseconds.

    CACHE/<name>-<split>-<what was asked for>-<state of the source>/
        images.npy    uint8 [N, H, W, C]: channels last, as convolutions read them
        labels.npy    int64 [N]
        header.json   the Header, the source's state, sizes and SHA-256 of the two files, and its own checksum

A folder appears by one rename, under a lock, so it is whole or absent; one that was damaged later is packed again.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeVar

import numpy as np
from filelock import FileLock
from pydantic import Field

from augdistill.base.checks import file_name
from augdistill.base.errors import DataError, RunError, WorkError
from augdistill.base.files import checksum, flush_folder, write_atomic, write_json
from augdistill.base.model import Integer, Many, Proven, Real, Record
from augdistill.base.reading import read_array, read_json, sha256
from augdistill.data.files import new_folder, note_packed
from augdistill.data.imageset import Header, ImageSet, Pixels, describe

log = logging.getLogger(__name__)
FORMAT = 2
MAX_PACKED = 2**43  # bytes of one split
HEADER, IMAGES, LABELS = "header.json", "images.npy", "labels.npy"
FileName = Literal["images.npy", "labels.npy"]
Found = TypeVar("Found", Header, ImageSet)
# Headers that were read, by folder, for a caller that packs nothing, which is asked far below it; None packs them.
UNPACKED: ContextVar[dict[Path, Header] | None] = ContextVar("UNPACKED", default=None)


class PackedHeader(Record):
    """A Header as it is written."""

    name: str
    split: str
    count: Integer
    shape: tuple[int, int, int] = Field(strict=False)
    classes: Many[str]
    fingerprint: str
    verified: bool
    note: str
    mean: Many[Real]
    std: Many[Real]


class PackedSource(Record):
    """The state of the files that were packed, as `imageset.Source` tells it."""

    where: str
    files: Integer
    bytes: Integer
    digest: str


class Packed(Proven):
    """What header.json holds; older versions wrote neither the files' SHA-256 nor a checksum."""

    header: PackedHeader
    source: PackedSource
    sizes: dict[FileName, Integer] = Field(min_length=2)
    sha256: dict[FileName, str] | None = Field(None, min_length=2)


@dataclass(frozen=True)
class Request:
    """One split of a dataset as asked for: its reader's parameters, where and in what state its source is, a reader."""

    name: str
    split: str
    params: Mapping[str, object]
    verify: bool
    where: str
    state: Mapping[str, Any]
    read: Callable[[], Pixels]


def headers(cache: Path, name: str, split: str) -> Iterator[tuple[Header, Mapping[str, Any]]]:
    """Yield each packed header of a split with the state of the source it was packed from."""
    for folder in sorted(cache.glob(f"{file_name(name)}-{split}-*-*")):
        packed = read_packed(folder)
        if packed is not None:
            yield Header(**dict(packed.header)), packed.source.plain()


def read_packed(folder: Path) -> Packed | None:
    """Return what a packed folder says, or None if it is not there or the files have another size than packed."""
    try:
        packed = read_json(folder / HEADER, Packed, "it is packed again")
        return packed if all(os.stat(folder / name).st_size == size for name, size in packed.sizes.items()) else None
    except (OSError, RunError):
        return None


def read_header(folder: Path) -> Header | None:
    """Return the header in a packed folder, or None as `read_packed` does."""
    packed = read_packed(folder)
    return None if packed is None else Header(**dict(packed.header))


def read_set(folder: Path) -> ImageSet | None:
    """Return the split in a packed folder, or None if it is not there or not what its header says."""
    packed = read_packed(folder)
    if packed is None or not holds_what_was_packed(folder, packed):
        return None
    try:
        images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False).transpose(0, 3, 1, 2)
        labels = read_array(folder / LABELS, "it is packed again")
    except Exception:  # numpy raises almost anything on a damaged header
        return None
    header = Header(**dict(packed.header))
    whole = images.shape == (header.count, *header.shape) and images.dtype == np.uint8
    whole = whole and labels.shape == (header.count,) and labels.dtype == np.int64
    if not whole or not len(labels) or labels.min() < 0 or labels.max() >= len(header.classes):
        return None
    labels.flags.writeable = False
    return ImageSet(header, images, labels)


def holds_what_was_packed(folder: Path, packed: Packed) -> bool:
    """Say whether a folder's files have the SHA-256 that its header says, if it says one."""
    try:
        said = (packed.sha256 or {}).items()
        return all(digest(folder / name, stamp(folder / name)) == expected for name, expected in said)
    except (OSError, ValueError):  # gone meanwhile, or no file
        return False


def stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written again."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=64)
def digest(path: Path, stamp: tuple[int, ...]) -> str:
    """Return the SHA-256 of a file, read once by each process as long as its stamp stays."""
    return sha256(path, max_bytes=stamp[-1])


def find_header(cache: Path, request: Request) -> Header:
    """Return the header of a split, which is packed first if need be; under `nothing_packed` its source is read."""
    known = UNPACKED.get()
    if known is None:
        return find_or_pack(cache, request, read_header)
    folder, _ = place(cache, request)
    if folder not in known:
        known[folder] = read_header(folder) or describe(request.name, request.split, request.params, _read(request))
    return known[folder]


def packs() -> bool:
    """Return whether what is read is kept in the cache."""
    return UNPACKED.get() is None


@contextmanager
def nothing_packed() -> Iterator[None]:
    """Write nothing into any cache meanwhile: headers of what is not packed are read from its source, once."""
    token = UNPACKED.set({})
    try:
        yield
    finally:
        UNPACKED.reset(token)


def find_or_pack(cache: Path, request: Request, look: Callable[[Path], Found | None]) -> Found:
    """Return what `look`, `read_header` or `read_set`, finds of a split, which is packed first if need be.

    Raises what its reader raises, and WorkError for a cache that cannot be written.
    """
    folder, prefix = place(cache, request)
    found = look(folder)
    if found is not None:
        return found
    with _locked(cache, folder, prefix):
        found = look(folder)  # another process may have packed it meanwhile
        if found is None:
            if folder.exists():
                log.warning("%s is damaged: packing it again", folder)
            log.info("reading %s %s from %s, once; kept in %s", request.name, request.split, request.where, folder)
            _pack(folder, request, _read(request))
            note_packed(folder, _lock(cache, prefix))
            _remove_superseded(folder, prefix)
            found = look(folder)
    assert found is not None, "what was just packed can be read"
    return found


def verify(cache: Path, request: Request) -> Header:
    """Return what is known of a split whose source is read anew, and packed unless it is packed so already.

    Where that fails, what was packed from a source in the same state goes: it is not what its header says.
    """
    folder, prefix = place(cache, request)
    with _locked(cache, folder, prefix):
        log.info("verifying %s %s in %s", request.name, request.split, request.where)
        try:
            pixels = _read(request)
        except DataError:
            for other in cache.glob(f"{file_name(request.name)}-{request.split}-*-{short_hash(request.state)}"):
                shutil.rmtree(other, ignore_errors=True)
            raise
        header, found = describe(request.name, request.split, request.params, pixels), read_set(folder)
        if found is None or found.header != header:
            _pack(folder, request, pixels)
            _remove_superseded(folder, prefix)
    return header


def place(cache: Path, request: Request) -> tuple[Path, str]:
    """Return the folder of what is asked for, and how its name begins in any state of the source."""
    asked = [FORMAT, request.name, request.split, dict(request.params), request.verify, request.where]
    prefix = f"{file_name(request.name)}-{request.split}-{short_hash(asked)}"
    return cache / f"{prefix}-{short_hash(request.state)}", prefix


def _lock(cache: Path, prefix: str) -> Path:
    return cache / f"{prefix}.lock"


@contextmanager
def _locked(cache: Path, folder: Path, prefix: str) -> Iterator[None]:
    """Hold the lock of what is being packed; where that fails, nothing new stays on the disk."""
    lock = _lock(cache, prefix)
    try:
        with new_folder(cache):
            try:
                with FileLock(lock):
                    yield
            except BaseException:
                lock.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise WorkError(f"{folder} cannot be written: {error.strerror or error}") from error


def _read(request: Request) -> Pixels:
    try:
        return request.read()
    except OSError as error:
        raise DataError(f"{request.name} cannot be read from {request.where}: {error}") from error


def _pack(folder: Path, request: Request, pixels: Pixels) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed: the lock is ours
    try:
        partial.mkdir()
        write_array(partial / IMAGES, np.ascontiguousarray(pixels.images.transpose(0, 2, 3, 1)))
        write_array(partial / LABELS, pixels.labels.astype(np.int64))
        record = {
            "header": asdict(describe(request.name, request.split, request.params, pixels)),
            "source": dict(request.state),
            "sizes": {name: os.stat(partial / name).st_size for name in (IMAGES, LABELS)},
            "sha256": {name: sha256(partial / name, MAX_PACKED) for name in (IMAGES, LABELS)},
        }
        write_json(partial / HEADER, {**record, "checksum": checksum(record)})
        os.replace(partial, folder)
        flush_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_array(path: Path, values: np.ndarray) -> None:
    """Write one array as .npy, atomically, in pieces; a full disk is an OSError with its number."""
    # Given no more than a way to write, numpy does not use `tofile`, whose errors have none.
    write_atomic(path, lambda file: np.save(SimpleNamespace(write=file.write), values, allow_pickle=False))


def _remove_superseded(folder: Path, prefix: str) -> None:
    for older in folder.parent.glob(f"{prefix}-*"):
        if older != folder and older.is_dir():
            log.info("removing %s: its source has changed", older)
            shutil.rmtree(older, ignore_errors=True)


def short_hash(value: object) -> str:
    """Return 8 hexadecimal digits of a hash of canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]
