"""Reading of files that may have come from elsewhere, as they are meant; tests/hostile has those that are not."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save

from augdistill.base import reading
from augdistill.base.errors import RunError
from augdistill.base.model import Record


def test_arrays_come_back_as_numpy_wrote_them(tmp_path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for written_as in (values, np.asfortranarray(values), values[:0], np.float64(3.5), np.array(["a", "bc"])):
        path = tmp_path / "a.npy"
        np.save(path, written_as)
        read = reading.read_array(path, "")
        np.testing.assert_array_equal(read, written_as)
        assert read.dtype == np.asarray(written_as).dtype
    np.savez(tmp_path / "a.npz", logits=values, labels=values[0])
    assert set(reading.read_arrays(tmp_path / "a.npz", "")) == {"logits", "labels"}
    assert set(reading.read_arrays(tmp_path / "a.npz", "", ["labels"])) == {"labels"}
    assert reading.array_names(tmp_path / "a.npz", "") == ["logits", "labels"]


def test_a_shape_that_is_not_wanted_is_refused_by_name_before_its_array_is_read(tmp_path) -> None:
    def refuse(name: str, shape: tuple[int, ...]) -> None:
        raise ValueError(f"{name} of {shape}")

    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    with pytest.raises(RunError, match=r"a\.npy cannot be read \(a of \(2, 3\)\): make it again$"):
        reading.read_array(tmp_path / "a.npy", "make it again", refuse)


class Counted(Record):
    count: int


def test_json_is_read_as_its_model_or_refused_with_its_place_and_advice(tmp_path) -> None:
    path = tmp_path / "a.json"
    for content, words in (
        (b'{"count": "3"}', r"count is missing or not what it must be"),
        (b'{"count": 3, "x": NaN}', "NaN is not JSON"),
        (b'{"count": 3, "x": ["\\ud800"]}', r"x\.0 is no Unicode"),
        (b"{", "Expecting property name"),
        (b"\xff", "'utf-8' codec can't decode"),
    ):
        path.write_bytes(content)
        with pytest.raises(RunError, match=rf"a\.json cannot be read \({words}.*\): make it again$"):
            reading.read_json(path, Counted, "make it again")
    path.write_bytes('{"count": 3, "x": "\\ud83d\\ude00 ü"}'.encode())  # a pair of surrogates is a character
    assert reading.read_json(path, Counted, "").count == 3
    with pytest.raises(FileNotFoundError):
        reading.read_json(tmp_path / "gone.json", Counted, "")


def test_text_is_read_whatever_its_bytes_and_is_empty_where_there_is_none(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"a\xffb")
    assert reading.read_text(tmp_path / "a") == "a\ufffdb"
    assert reading.read_text(tmp_path / "gone") == ""


def test_a_checksum_is_sha256_of_a_regular_file_of_some_size(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert reading.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ValueError, match="larger than 2 bytes"):
        reading.sha256(tmp_path / "a", 2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a file"):
        reading.sha256(tmp_path / "pipe")


def test_what_is_appended_stands_at_the_end_of_a_file_and_nowhere_else(tmp_path) -> None:
    for text in (b"one", b"two"):
        descriptor = reading.append_to(tmp_path / "log")
        os.write(descriptor, text)
        os.close(descriptor)
    assert (tmp_path / "log").read_bytes() == b"onetwo"
    (tmp_path / "link").symlink_to(tmp_path / "log")
    with pytest.raises(OSError, match="symbolic links"):
        reading.append_to(tmp_path / "link")


def test_a_safetensors_header_is_read_from_the_beginning_of_its_file() -> None:
    content = save({"weight": torch.zeros(2, 3)}, {"state": "x"})
    header = reading.tensors_header(content)
    assert header["weight"]["shape"] == [2, 3]
    assert header["__metadata__"] == {"state": "x"}
    with pytest.raises(ValueError, match="larger than its file"):
        reading.tensors_header(content[:20])


def test_runs_are_known_by_the_first_digits_of_their_identity(tmp_path) -> None:
    runs = tmp_path / "runs"
    assert reading.names_by_digits(runs) == {}
    for name in ("teacher-a-01234567", "student-b-01234567", "teacher-a-0123456789abcdef"):
        (runs / name).mkdir(parents=True)
    os.utime(runs, ns=(0, 1))
    names = ["student-b-01234567", "teacher-a-01234567", "teacher-a-0123456789abcdef"]
    assert reading.names_by_digits(runs) == {"01234567": names}
    (runs / "teacher-c-89abcdef").mkdir()
    os.utime(runs, ns=(0, 2))
    assert reading.names_by_digits(runs)["89abcdef"] == ["teacher-c-89abcdef"]
