"""Gets a publisher's files, only when asked to: https alone, checksum first, nothing left behind when it fails."""

import gzip
import hashlib
import http.client
import logging
import os
import stat
import struct
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from augdistill.base.errors import DataError, WorkError
from augdistill.data.files import new_folder

log = logging.getLogger(__name__)
BLOCK = 2**20
TIMEOUT = 60  # seconds without a byte
SLOWEST = 2**16  # bytes within as long; fewer is a server that stalls


@dataclass(frozen=True)
class Download:
    """A file to get: its addresses, tried in turn, its checksum ("md5:..." or "sha256:...") and a cap on its size."""

    urls: tuple[str, ...]
    checksum: str
    max_bytes: int


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def require_https(url: str) -> None:
    """Raise DataError for an address that is not https."""
    if not url.startswith("https://"):
        raise DataError(f"{url} is refused: only https is used to download")


def open_url(url: str) -> Any:
    """Open an https address, following redirects to https alone."""
    return urllib.request.build_opener(_HttpsRedirects).open(url, timeout=TIMEOUT)


def download(file: Download, destination: Path) -> None:
    """Write a file to `destination`, from the first of its addresses that has it, once its checksum holds.

    Raises DataError for an address that is not https, a file that is too large or has another checksum, and WorkError
    for a failing network or disk. On an error nothing is at `destination`.
    """
    for url in file.urls:
        require_https(url)
        try:
            return _download(url, file, destination)
        except (DataError, WorkError) as error:
            destination.unlink(missing_ok=True)
            if url == file.urls[-1]:
                raise
            log.warning("%s; trying the next address", error)


def _download(url: str, file: Download, destination: Path) -> None:
    algorithm, expected = file.checksum.split(":")
    digest, size = hashlib.new(algorithm, usedforsecurity=False), 0
    try:
        with open_url(url) as response, destination.open("wb") as out, progress(response, destination.name) as bar:
            since, before = time.monotonic(), 0
            while block := response.read1(BLOCK):
                size += len(block)
                if time.monotonic() - since > TIMEOUT:
                    if size - before < SLOWEST:
                        raise TimeoutError(f"it sends less than {SLOWEST:,} bytes in {TIMEOUT} s")
                    since, before = time.monotonic(), size
                if size > file.max_bytes:
                    raise DataError(f"{url} sends more than the {file.max_bytes:,} bytes expected: nothing was kept")
                digest.update(block)
                out.write(block)
                bar.update(len(block))
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if type(error) is urllib.error.URLError else error
        what = " ".join(str(cause).split()) or type(cause).__name__
        raise WorkError(f"{url} could not be downloaded: {what}") from error
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and len(announced) < 16 and size < int(announced):
        raise WorkError(f"{url} sent {size:,} of {int(announced):,} bytes, then ended: nothing was kept")
    if digest.hexdigest() != expected:
        raise DataError(
            f"{url} sent {size:,} bytes with {algorithm} {digest.hexdigest()}, not {expected}: nothing was kept"
        )


def progress(response: Any, name: str) -> Any:
    """Return a bar over the bytes of a response; it shows on a terminal only."""
    from tqdm import tqdm

    length = response.headers.get("Content-Length", "")
    return tqdm(
        total=int(length) if length.isdecimal() and len(length) < 16 else None,
        unit="B",
        unit_scale=True,
        desc=name,
        disable=None,
    )


class Capped:
    """A reader of a decompressed stream that raises DataError once it gave more than `max_bytes`."""

    def __init__(self, stream: gzip.GzipFile, max_bytes: int) -> None:
        self.stream, self.left = stream, max_bytes

    def read(self, size: int) -> bytes:
        if size > self.left:
            size = self.left + 1
        block = self.stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise DataError("the archive unpacks to more than it should: nothing was kept")
        return block


def extract(archive: Path, target: Path, folder: str, max_files: int, max_bytes: int) -> None:
    """Unpack the regular files that lie below a folder named `folder` in a .tar.gz, into `target`.

    Python's filter for data writes them: no owners, modes or devices. Raises DataError, for the whole archive, on a
    member that is neither a plain file nor a folder, on a name that leads elsewhere, above `max_files` members or
    `max_bytes` unpacked, or on damage.
    """
    try:
        # typeshed asks for a whole IO; a stream ("r|") needs read alone
        with gzip.open(archive) as stream, tarfile.open(fileobj=Capped(stream, max_bytes), mode="r|") as tar:  # type: ignore[call-overload]
            for count, member in enumerate(tar, start=1):
                if count > max_files:
                    raise DataError(f"{archive.name} holds more than {max_files:,} members: nothing was kept")
                parts = safe_parts(archive, member)
                if member.isreg() and folder in parts[:-1]:
                    inner = PurePosixPath(*parts[parts.index(folder) + 1 :])
                    tar.extract(member.replace(name=str(inner), mode=None), target, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{archive.name} is damaged: {error}") from error
    except (ValueError, KeyError, IndexError, OverflowError, RecursionError) as error:  # tarfile, on a hostile header
        raise DataError(f"{archive.name} is damaged: {' '.join(str(error).split())[:100]}") from error
    if not target.is_dir():
        raise DataError(f"{archive.name} holds no folder {folder}: nothing was kept")


def extract_zip(archive: Path, target: Path, folder: str, max_files: int, max_bytes: int) -> None:
    """Unpack a .zip as `extract` does a .tar.gz, with the same refusals; a member's own checksum is checked too."""
    left = max_bytes
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            if len(members) > max_files:
                raise DataError(f"{archive.name} holds more than {max_files:,} members: nothing was kept")
            for member in members:
                kind = stat.S_IFMT(member.external_attr >> 16)
                parts = plain_parts(archive, member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
                if member.is_dir() or folder not in parts[:-1]:
                    continue
                path = target.joinpath(*parts[parts.index(folder) + 1 :])
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as content, path.open("xb") as out:
                    while block := content.read(min(BLOCK, left + 1)):
                        left -= len(block)
                        if left < 0:
                            raise DataError("the archive unpacks to more than it should: nothing was kept")
                        out.write(block)
    except (zipfile.BadZipFile, EOFError, zlib.error, FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{archive.name} is damaged: {error}") from error
    except (ValueError, KeyError, RuntimeError, OverflowError, struct.error) as error:  # zipfile, on a hostile header
        raise DataError(f"{archive.name} is damaged: {' '.join(str(error).split())[:100]}") from error
    if not target.is_dir():
        raise DataError(f"{archive.name} holds no folder {folder}: nothing was kept")


def safe_parts(archive: Path, member: tarfile.TarInfo) -> tuple[str, ...]:
    """Return the parts of a member's name; raises DataError unless it is a plain file or folder below the top."""
    return plain_parts(archive, member.name, (member.isdir() or member.isreg()) and not member.issparse())


def plain_parts(archive: Path, name: str, is_plain: bool) -> tuple[str, ...]:
    """Return the parts of a member's name; raises DataError for one that leads elsewhere, or `is_plain` says not."""
    path = PurePosixPath(name)
    if name.startswith("/") or ".." in path.parts or "\\" in name or "\0" in name:
        raise DataError(f"{archive.name} holds {name!r}, which leads out of it: nothing was kept")
    if not is_plain:
        raise DataError(f"{archive.name} holds {name!r}, a link or special file: nothing was kept")
    return path.parts


@contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """Yield a temporary folder on the disk of `destination`; it is removed at the end.

    Raises DataError where `destination` is there already, WorkError if the disk is full or cannot be written.
    """
    if os.path.exists(destination):
        raise DataError(f"{destination} is there, but incomplete: move it away, then fetch again")
    try:
        parent = destination.parent
        with new_folder(parent), tempfile.TemporaryDirectory(prefix=".fetch-", dir=parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise WorkError(f"{destination} cannot be written: {error.strerror or error}") from error


def fetch_archive(file: Download, destination: Path, *, folder: str, max_files: int, max_bytes: int) -> None:
    """Download a .tar.gz or .zip, check it, and put the content of its folder named `folder` at `destination`."""
    is_zip = file.urls[0].endswith(".zip")
    with staging(destination) as temporary:
        archive = temporary / ("archive.zip" if is_zip else "archive.tar.gz")
        download(file, archive)
        (extract_zip if is_zip else extract)(archive, temporary / "content", folder, max_files, max_bytes)
        os.replace(temporary / "content", destination)


def fetch_files(files: Mapping[str, Download], destination: Path) -> None:
    """Download files, name -> what to get, check each, and put them into the folder `destination` together."""
    with staging(destination) as temporary:
        (temporary / "content").mkdir()
        for name, file in files.items():
            download(file, temporary / "content" / name)
        os.replace(temporary / "content", destination)
