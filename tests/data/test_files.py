"""Bounded reading, publishers' checksums, and folders that vanish when work fails."""

from pathlib import Path

import pytest

from augdistill.base.errors import DataError, RequestError
from augdistill.data.files import check_publisher, new_folder, note_packed, read_bounded, unpacked_if_refused

MD5 = "md5:900150983cd24fb0d6963f7d28e17f72"  # of "abc", RFC 1321
SHA256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc", FIPS 180-2


def fails(*made: Path) -> None:
    """Make folders and fail."""
    for path in made:
        path.mkdir()
    raise KeyError


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_that_is_new_vanishes_with_its_new_parents_when_work_fails(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    for folder in (there / "new" / "inner", there):
        with pytest.raises(KeyError), new_folder(folder):
            fails()
        assert below(tmp_path) == ["there"]
    with pytest.raises(KeyError), new_folder(there / "one" / "two"):
        fails(there / "one" / "another")  # by another process: it stays
    assert below(there) == ["one", "one/another"]
    with new_folder(there / "new" / "inner"):
        assert (there / "new" / "inner").is_dir()
    assert (there / "new" / "inner").is_dir()


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(DataError, match=r"file is larger than 4 bytes"):
        read_bounded(tmp_path / "file", 4)
    with pytest.raises(DataError, match=r"gone cannot be read: No such file"):
        read_bounded(tmp_path / "gone", 4)


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_a_file_is_the_publishers_by_the_checksum_of_all_its_parts(checksum: str) -> None:
    check_publisher(Path("file"), checksum, "mnist", b"abc")
    check_publisher(Path("file"), checksum, "mnist", b"a", b"", b"bc")
    with pytest.raises(DataError, match=r"file is not the publisher's file .*data fetch mnist`.*dataset\.verify=false"):
        check_publisher(Path("file"), checksum, "mnist", b"abd")


def pack_and_raise(cache: Path, error: Exception) -> None:
    """Pack something for a request that then fails."""
    with unpacked_if_refused(cache):
        (cache / "digits").mkdir(parents=True)
        (cache / "digits" / "images.npy").touch()
        (cache / "digits.lock").touch()
        note_packed(cache / "digits", cache / "digits.lock")
        raise error


def test_what_was_packed_for_a_refused_request_goes_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(RequestError):
        pack_and_raise(tmp_path / "outputs" / "cache", RequestError("no"))
    assert {path.name for path in tmp_path.iterdir()} == {"kept"}
    with pytest.raises(OSError, match="full"):  # no refusal: the same command goes on from there
        pack_and_raise(tmp_path / "outputs" / "cache", OSError("full"))
    assert {path.name for path in (tmp_path / "outputs" / "cache").iterdir()} == {"digits", "digits.lock"}
