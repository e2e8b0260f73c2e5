"""Pickle files are read as data: arrays come out as numpy pickled them, and nothing in a file is ever run."""

import datetime
import os
import pickle
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augdistill.data.pickles import MAX_CALLS, MAX_OPCODES, NUMERIC, as_array, load_plain
from augdistill.errors import DataError

PATH = Path("data_batch_1")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("code", sorted(NUMERIC))
def test_numeric_arrays_come_back_as_numpy_has_them(code, protocol) -> None:
    for order in "<>":
        values = (np.arange(24) * 7 % 13).astype(f"{order}{code}").reshape(2, 3, 4)
        for array in (values, np.asfortranarray(values), values[:, ::2], values[:0]):
            read = as_array(load_plain(PATH, pickle.dumps({"data": array}, protocol))["data"])
            assert read is not None
            assert (read.dtype, read.shape) == (array.dtype, array.shape)
            assert np.array_equal(read, array)


def test_plain_values_come_back() -> None:
    plain = {"labels": [1, 2], "text": "a", b"bytes": (None, True, 1.5, -(2**70)), "set": {1}}
    assert load_plain(PATH, pickle.dumps(plain, protocol=4)) == plain
    assert as_array([1, 2]) is None


class Runs:
    """Runs a function when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def array_state(shape: tuple[int, ...], code: str, raw: bytes) -> bytes:
    """An array whose state says `shape` and `code` over `raw`, as a pickle."""
    honest = pickle.dumps(np.zeros(4, dtype=np.uint8), protocol=4)
    changed = honest.replace(pickle.dumps((4,), 4)[11:-1], pickle.dumps(shape, 4)[11:-1])
    return changed.replace(b"\x8c\x02u1", b"\x8c\x02" + code.encode()).replace(b"C\x04" + bytes(4), b"C\x04" + raw)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        Runs(os.system, "touch ran"),
        Runs(eval, "open('ran', 'w')"),
        Runs(Path.write_text, Path("ran"), "x"),
        datetime.date(2020, 1, 1),
        np.array([{}, 1], dtype=object),
        np.zeros(2, dtype=[("a", "u1"), ("b", "u1")]),
        np.array(["text"]),
        np.zeros(2, dtype="datetime64[s]"),
        np.zeros(2, dtype=complex),
        np.float64(1.5),
        np.ma.masked_array([1, 2], [True, False]),
        np.random.default_rng(0),
    ],
)
def test_anything_else_is_refused_and_nothing_runs(tmp_path, monkeypatch, value, protocol) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="data_batch_1 is damaged or holds more than plain arrays") as caught:
        load_plain(PATH, pickle.dumps({"data": value}, protocol))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_hostile_pickle_does_what_it_claims_when_it_is_trusted(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Runs(os.system, "touch ran")))  # else the test above could pass emptily
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04]r\xff\xff\xff\x7f.",  # a memo of 2**31 places
        b"\x80\x04" + b"]" * (MAX_OPCODES + 10) + b".",
        b"\x80\x02}q\x00X\x04\x00\x00\x00textq\x01"
        + b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R" * (MAX_CALLS + 1),
        b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".",  # a bytearray of a terabyte
        array_state((2**40,), "u1", bytes(4)),
        array_state((-2, -2), "u1", bytes(4)),
        array_state((4,), "O8", bytes(4)),
        b"\x80\x02c_codecs\nencode\n}U\x08__code__U\x01xs\x86b.",  # sets an attribute of what it is given
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"(S'touch ran'\nios\nsystem\n.",
        b"Pspam\n.",
        b"\x80\x02\x82\x01.",
        b".",
        b"\x80\x63.",
    ],
)
def test_bombs_are_refused_quickly(tmp_path, monkeypatch, content) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.perf_counter()
    with pytest.raises(DataError):
        load_plain(PATH, content)
    assert time.perf_counter() - start < 5
    assert not list(tmp_path.iterdir())


GOOD = pickle.dumps({"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 3]}, protocol=2)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_changed_file_is_read_or_refused_but_never_fails_otherwise(changes) -> None:
    content = bytearray(GOOD)
    for position, value in changes:
        content[position] = value
    with suppress(DataError):
        load_plain(PATH, bytes(content))
