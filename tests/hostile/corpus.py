"""Small generators of hostile files: bytes that a reader must refuse, or read without harm."""

import gzip
import io
import json
import os
import pickle
import resource
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.errors import AugdistillError

MEMORY = 2**29  # bytes that reading a small hostile file may take at most, on top of what the process has
MARKER = "ran"  # the file that code in a hostile input would leave


class Runs:
    """Runs a function when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def evil_pickle() -> bytes:
    """Return a pickle that leaves the marker in the current folder."""
    return pickle.dumps(Runs(os.system, f"touch {MARKER}"), protocol=2)


def npy(shape: object, kind: object = "<f4", content: bytes = b"", version: int = 1) -> bytes:
    """Return a .npy file whose header says whatever is asked."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b" " * 8 + b"\n"
    size = struct.pack("<H", len(header)) if version == 1 else struct.pack("<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + content


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of members by name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def announcing(size: int) -> bytes:
    """Return a zip archive whose directory says that its one member is so large, packed and unpacked."""
    content = npz({"logits.npy": array([1.0])}, zipfile.ZIP_STORED)
    at = content.index(b"PK\x01\x02") + 20  # the sizes of the directory's first entry
    return content[:at] + struct.pack("<II", size, size) + content[at + 8 :]


def unpacking_to(size: int, head: bytes) -> bytes:
    """Return a small zip archive of one array that begins with `head` and is said to unpack to so many bytes."""
    content = npz({"logits.npy": head + bytes(64)})
    at = content.index(b"PK\x01\x02") + 24  # the unpacked size in the directory's first entry
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


def array(values: object, **how: Any) -> bytes:
    """Return an array as numpy writes it; of objects too."""
    content = io.BytesIO()
    np.save(content, np.asarray(values, **how), allow_pickle=True)
    return content.getvalue()


HOSTILE_ARRAYS = {
    "a pickle": evil_pickle(),
    "an array of objects": array([Runs(os.system, f"touch {MARKER}")], dtype=object),
    "an object in a structure": npy((1,), [("a", "O")], bytes(8)),
    "a terabyte announced": npy((2**37, 2), content=bytes(64)),
    "a shape that overflows": npy((2**62, 4), content=bytes(64)),
    "a negative side": npy((-1, -16), content=bytes(64)),
    "a shape of text": npy(("a", 4), content=bytes(64)),
    "no type": npy((4, 4), "nonsense", bytes(64)),
    "an empty type": npy((4, 4), "V0", bytes(64)),
    "a header of brackets": b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000,
    "a header of signs": b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"-" * 8999 + b"1",
    "a header of four gigabytes": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "a header that calls": b"\x93NUMPY\x01\x00" + struct.pack("<H", 40) + b"__import__('os').system('touch ran')    ",
    "another version": npy((4, 4), content=bytes(64), version=3),
    "too much": npy((4, 4), content=bytes(65)),
    "too little": npy((4, 4), content=bytes(63)),
    "nothing": b"",
}
HOSTILE_JSON = {
    "nothing": b"",
    "brackets": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "not a number": b'{"value": NaN}',
    "a number without end": b"1" * 10_000,
    "not text": b"\xff\xfe\x00\xd8",
    "text": b'"__import__"',
    "null": b"null",
    "a list": b"[]",
    "a pickle": evil_pickle(),
}


def safetensors(header: object, content: bytes = b"", size: int | None = None) -> bytes:
    """Return a safetensors file whose header is `header`, as JSON unless it is bytes, of whatever size it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + content


def tensor(kind: str = "F32", shape: object = (2, 2), offsets: object = (0, 16)) -> dict[str, object]:
    """Return a header with one tensor."""
    return {"weight": {"dtype": kind, "shape": shape, "data_offsets": offsets}}


HOSTILE_SAFETENSORS = {
    "nothing": b"",
    "a pickle": evil_pickle(),
    "a header larger than the file": safetensors(b"{}", size=2**63),
    "a header of a gigabyte": safetensors(b"{}", size=2**30),
    "no JSON": safetensors(b"{'weight'}"),
    "a list": safetensors([]),
    "brackets": safetensors(b'{"a":' * 50_000),
    "offsets outside": safetensors(tensor(offsets=(0, 2**40)), bytes(16)),
    "offsets turned round": safetensors(tensor(offsets=(16, 0)), bytes(16)),
    "a negative offset": safetensors(tensor(offsets=(-16, 0)), bytes(16)),
    "a shape that overflows": safetensors(tensor(shape=(2**62, 4)), bytes(16)),
    "a shape of another size": safetensors(tensor(shape=(3, 3)), bytes(16)),
    "an unknown type": safetensors(tensor("OBJECT"), bytes(16)),
    "a type of four bits": safetensors(tensor("F4", (2, 16), (0, 16)), bytes(16)),
    "other tensors": safetensors(tensor(), bytes(16)),
    "a hole": safetensors(tensor(offsets=(16, 32)), bytes(32)),
}


def idx(magic: int, *sizes: int, content: bytes = b"") -> bytes:
    """Return an IDX file whose header says whatever is asked."""
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + content


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **more: Any) -> bytes:
    """Return one header of a tar archive, its checksum right, followed by `size` zeros, two million at most."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(min(-(-size // 512) * 512, 2**21))


def zipped(*blocks: bytes) -> bytes:
    """Return a .tar.gz of blocks."""
    return gzip.compress(b"".join(blocks) + bytes(1024), 1)


@contextmanager
def bounded_memory(extra: int = MEMORY) -> Iterator[None]:
    """Let this process have `extra` bytes more than it has, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + extra, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(error: AugdistillError) -> str:
    """Return an error's message, after seeing that it is one line and that no memory ran out on the way to it."""
    text = str(error)
    assert text
    assert "\n" not in text
    assert "MemoryError" not in text
    return text
