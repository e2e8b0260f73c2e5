"""Code, environments and secrets that configs would bring in: refused in one line before anything is written."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from augdistill.cli import main
from hostile.attacks import ATTACKS, Attack
from hostile.corpus import MARKER

LEAVE_MARKER = f"open({MARKER!r}, 'w').close()\n"
SECRET = "a-secret-of-the-machine"
SHADOWS = ("signal", "logging", "selectors", "sitecustomize", "usercustomize", "hydra_plugins.evil", "yaml")


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every regular file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty folder to stand in, with the process's own path and environment given back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.delenv("AUGDISTILL_DATA", raising=False)
    return tmp_path


def laid_out(attack: Attack, folder: Path) -> None:
    for name, content in {**attack.files, "code/sitecustomize.py": LEAVE_MARKER, "code/evil.py": LEAVE_MARKER}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "theirs").mkdir(exist_ok=True)
    attack.prepare(folder)


def ended(words: tuple[str, ...], monkeypatch) -> int:
    """Return the exit code of a command that is run in this process."""
    monkeypatch.setattr(sys, "argv", ["augdistill", *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("what", ATTACKS)
def test_what_came_as_a_config_sets_no_more_than_values(what, here, monkeypatch, capfd) -> None:
    attack = ATTACKS[what]
    laid_out(attack, here)
    before = snapshot(here)
    code = ended(attack.words, monkeypatch)
    told = capfd.readouterr()
    assert (code, told.out, len(told.err.splitlines())) == (2, "", 1), told.err
    assert attack.names in told.err
    assert SECRET not in told.err
    assert snapshot(here) == before
    assert not (here / MARKER).exists()
