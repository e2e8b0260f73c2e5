"""Reads a pickle file as data: containers, text, numbers and numeric arrays come out of it, and nothing else.

No global that a file names is ever looked up. The few that numpy's own arrays need are answered by the stand-ins
below, which keep shape, type and bytes; the array is then built here.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base.errors import DataError

MAX_BYTES = 64 * 2**20
MAX_OPCODES = 1_000_000  # a batch of 10,000 images has 50,000
MAX_CALLS = 16  # five an array; each may copy up to the whole file
CALLS = {"REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST"}
MAX_AXES = 4
MEMO_WRITES = {"PUT", "BINPUT", "LONG_BINPUT"}
NUMERIC = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"}


class _Type:
    """Stands for numpy.dtype: a numeric type code and its byte order."""

    def __init__(self, code: object, *flags: object) -> None:
        if code not in NUMERIC:
            raise pickle.UnpicklingError(f"an array of type {code!r}")
        self.code, self.order = str(code), "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("an array of a structured type")
        self.order = state[1]


class _Array:
    """Stands for numpy.ndarray: takes the state that numpy pickles, and keeps the array it describes."""

    values: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, raw = state
        self._fill(raw, kind, shape, "F" if is_fortran else "C")

    def _fill(self, raw: object, kind: object, shape: tuple[int, ...], order: str) -> None:
        content = raw.encode("latin1") if isinstance(raw, str) else raw
        if not isinstance(content, bytes | bytearray) or not isinstance(kind, _Type):
            raise pickle.UnpicklingError("an array without bytes or type")
        sides = len(shape) <= MAX_AXES and all(type(side) is int and 0 <= side <= MAX_BYTES for side in shape)
        if not sides or math.prod(shape) * int(kind.code[1]) != len(content):
            raise pickle.UnpicklingError("an array whose bytes do not fill its shape")
        flat: np.ndarray = np.frombuffer(content, dtype=np.dtype(kind.order + kind.code))
        self.values = flat.reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(subtype: object, shape: object, code: object) -> _Array:
    return _Array()


def _from_buffer(raw: object, kind: object, shape: tuple[int, ...], order: str, *axes: object) -> _Array:
    array = _Array()
    array._fill(raw, kind, shape, order)
    return array


def _empty_bytes() -> bytes:
    return b""


def _encode(text: str, encoding: str) -> bytes:
    return text.encode("latin1")


STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _reconstruct,  # only ever passed to _reconstruct, which ignores it
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _empty_bytes,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"{module}.{name}")
        stand_in = STAND_INS[module, name]
        return lambda *arguments: stand_in(*arguments)  # new each time: a pickle may set attributes on what it is given


def _check_size(content: bytes) -> None:
    """Raise unless what a pickle asks for is in proportion to a batch of images; it is scanned, not run."""
    calls = 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(content)):
        calls += opcode.name in CALLS
        if count >= MAX_OPCODES or calls > MAX_CALLS:
            raise pickle.UnpicklingError("too many objects")
        # The unpickler sizes its memo by the largest index it meets: five bytes could ask for 64 GB. A true file
        # counts up, so an index never exceeds the number of bytes before it.
        if opcode.name in MEMO_WRITES and not 0 <= int(argument or 0) <= (position or 0):
            raise pickle.UnpicklingError("a memo index out of range")


def load_plain(path: Path, content: bytes) -> Any:
    """Return what the pickle `content` of the file `path` holds, arrays as values for `as_array`.

    Text that Python 2 wrote is read as latin-1. Raises DataError, naming the file, for a file that is damaged or
    needs anything but containers, text, numbers and numeric arrays.
    """
    try:
        _check_size(content)
        return _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a hostile pickle can make the unpickler raise almost anything
        what = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(f"{path} is damaged or holds more than plain arrays ({what}); nothing in it was run") from error


def as_array(value: object) -> np.ndarray | None:
    """Return the array that `load_plain` read, or None where `value` is something else."""
    return getattr(value, "values", None) if isinstance(value, _Array) else None
