"""Pickle files are read as data: arrays come out as numpy pickled them, and nothing in a file is ever run."""

import datetime
import os
import pickle
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augdistill.base.errors import DataError
from augdistill.data.pickles import MAX_CALLS, MAX_OPCODES, NUMERIC, STAND_INS, as_array, load_plain

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


def plain(value: object) -> bytes:
    """The opcodes that push `value`."""
    return pickle.dumps(value, protocol=2)[2:-1]


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
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"(S'touch ran'\nios\nsystem\n.",
        b"Pspam\n.",
        b"\x80\x02\x82\x01.",
        b".",
        b"\x80\x63.",
    ],
)
def test_bombs_are_refused(tmp_path, monkeypatch, content) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        load_plain(PATH, content)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [b"c_codecs\nencode\n", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n"])
def test_a_pickle_cannot_change_what_the_next_one_is_given(name) -> None:
    before = {key: dict(vars(stand_in)) for key, stand_in in STAND_INS.items()}
    load_plain(PATH, b"\x80\x02" + name + b"N}U\x06poisonU\x01xs\x86b.")  # setattr(what it was given, "poison", "x")
    assert {key: dict(vars(stand_in)) for key, stand_in in STAND_INS.items()} == before


@pytest.mark.parametrize(
    "state",
    [
        ((4,), 2**36),  # bytes(2**36) would be 64 GB
        ((4,), [1, 2, 3, 4]),
        ((4,), None),
        ((4.0,), bytes(4)),
        (("a", 2**36), bytes(4)),  # a product of text and a number is long text
        ((2**40,), bytes(4)),
        ((-2, -2), bytes(4)),
        ((5,), bytes(4)),
        ((1, 1, 1, 1, 4), bytes(4)),
        (4, bytes(4)),
    ],
)
def test_an_array_whose_bytes_do_not_fill_its_shape_is_refused(state) -> None:
    shape, raw = state
    head = b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n(NNNtR(K\x01"
    kind = b"cnumpy\ndtype\n\x8c\x02u1\x85R(K\x03\x8c\x01|NNNtb"
    honest = as_array(load_plain(PATH, head + plain((4,)) + kind + b"\x89C\x04\x01\x02\x03\x04tb."))
    assert honest is not None
    assert honest.tolist() == [1, 2, 3, 4]
    content = head + plain(shape) + kind + b"\x89" + plain(raw) + b"tb."
    with pytest.raises(DataError):
        load_plain(PATH, content)


GOOD = pickle.dumps({"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 3]}, protocol=2)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_changed_file_is_read_or_refused_but_never_fails_otherwise(changes) -> None:
    content = bytearray(GOOD)
    for position, value in changes:
        content[position] = value
    with suppress(DataError):
        load_plain(PATH, bytes(content))
