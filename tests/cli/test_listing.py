"""What `doctor` says of the outputs folder, before anything is written there."""

from pathlib import Path

import pytest

from augdistill.cli.listing import writable


def test_where_results_can_be_written_is_known_without_writing(tmp_path: Path) -> None:
    assert writable(tmp_path / "new" / "outputs") == "can be written"
    (tmp_path / "file").touch()
    for folder in ("file", "file/outputs"):
        assert writable(tmp_path / folder) == f"CANNOT be written ({tmp_path / 'file'}: Not a directory): outputs="
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nobody can write")
def test_root_is_not_believed_to_write_everywhere() -> None:
    assert writable(Path("/proc/outputs")).startswith("CANNOT be written (/proc: ")
