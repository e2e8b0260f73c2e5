"""Files are replaced whole, on disk before they get their name, and JSON is strict."""

import errno
import hashlib
import json
import os
import resource
from pathlib import Path

import pytest

from augdistill.base.files import checksum, write_atomic, write_json


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"first", b"", b"x" * 100_000):
        write_atomic(path, content)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"the old content")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # every write beyond it fails, as on a full disk
    try:
        with pytest.raises(OSError, match="too large") as raised:
            write_atomic(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.errno == errno.EFBIG
    assert path.read_bytes() == b"the old content"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_disk_before_it_gets_its_name_and_the_name_after(tmp_path: Path, monkeypatch) -> None:
    done = []
    fsync, replace = os.fsync, os.replace

    def tell_fsync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def tell_replace(source: str, target: Path) -> None:
        assert Path(source).read_bytes() == b"content"
        assert Path(source).parent == target.parent
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", tell_fsync)
    monkeypatch.setattr(os, "replace", tell_replace)
    write_atomic(tmp_path / "file", b"content")
    assert done == ["file", "rename", "folder"]


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": [1.5, None, "é"]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1.5, None, "é"]}
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_a_checksum_is_of_all_that_a_manifest_says_but_itself() -> None:
    said = {"b": [1, None], "a": "é"}
    expected = hashlib.sha256(b'{"a": "\\u00e9", "b": [1, null]}').hexdigest()
    assert checksum(said) == checksum({**said, "checksum": "x"}) == expected
    assert checksum({**said, "c": 1}) != expected


def test_what_fails_while_it_writes_leaves_the_old_content(tmp_path: Path) -> None:
    def fails(file) -> None:
        file.write(b"half")
        raise KeyError

    write_atomic(tmp_path / "file", lambda file: file.write(b"old"))
    with pytest.raises(KeyError):
        write_atomic(tmp_path / "file", fails)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
    with pytest.raises(FileNotFoundError) as raised:
        write_atomic(tmp_path / "gone" / "file", b"")
    assert raised.value.filename == str(tmp_path / "gone" / "file")
