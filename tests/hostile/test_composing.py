"""Code, environments and secrets that configs would bring in: refused in one line before anything is written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from augdistill.base.errors import RequestError
from augdistill.cli import commands, main
from augdistill.cli.composing.compose import parse_flags
from augdistill.config.folders import has_resolver
from hostile.attacks import ATTACKS, OURS, Attack
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


WORKERS = {
    "a pool": """
import os, sys
sys.path[:] = [entry for entry in sys.path if entry]
from augdistill.executors import local
local.PRELOAD[:] = []
if __name__ == "__main__":
    with local.new_pool(1, local.CPU) as pool:
        path, safe = pool.submit(eval, "__import__('sys').path, __import__('sys').flags.safe_path").result()
    assert safe and '' not in path and os.getcwd() not in path, path
""",
    "the command by hand": """
import os, sys
from augdistill import cli
sys.path.insert(0, os.getcwd())
sys.argv = ["augdistill", "--version"]
cli.main()
assert os.getcwd() not in sys.path and '' not in sys.path
import subprocess
subprocess.run([sys.executable, "-c", "import signal, logging, selectors"], check=True)
""",
}


@pytest.mark.parametrize("what", WORKERS)
def test_workers_import_nothing_from_the_current_folder(what, tmp_path) -> None:
    for name in SHADOWS:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(LEAVE_MARKER)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    program = tmp_path / "elsewhere" / "program.py"
    program.parent.mkdir()
    program.write_text(WORKERS[what])
    words = [sys.executable, str(program)]  # as the command: its own folder comes first
    ran = subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert not (tmp_path / MARKER).exists()


GOOD = {
    "a strategy": ("train-teacher", *OURS, "aug=theirs"),
    "a strategy, -cd=": ("train-teacher", "-cd=theirs", "aug=theirs"),
    "verbose": ("train-teacher", "hydra.verbose=augdistill"),
    "a key named": ("train-teacher", "teacher.width=${seed}"),
    "a sweep": ("train-teacher", "-m", *OURS, "aug=theirs,cutmix", "hydra.sweep.dir=sweeps"),
    "a sweeper": ("train-teacher", "-m", "hydra/sweeper=basic", "hydra.sweeper.max_batch_size=1"),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_is_meant_for_configs_works(what, here, monkeypatch) -> None:
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(commands, "train_teacher", seen.append)
    monkeypatch.setattr(commands, "validate_here", lambda command, config: None)  # a sweep looks for its data first
    (here / "theirs/aug").mkdir(parents=True)
    (here / "theirs/aug/theirs.yaml").write_text("# ours\nops:\n  cutmix: {alpha: 0.5, prob: 1.0}\n")
    assert ended(GOOD[what], monkeypatch) == 0
    assert len(seen) == (2 if what == "a sweep" else 1)
    if "aug=theirs" in GOOD[what]:
        assert seen[0]["aug"] == {"ops": {"cutmix": {"alpha": 0.5, "prob": 1.0}}}
    assert (here / "sweeps").is_dir() == (what == "a sweep")


@pytest.mark.parametrize("words", [["--config-dir", "x"], ["a=1", "-cd", "x"], ["--config-dir=x"], ["-cd=x"]])
def test_the_folder_is_found_however_it_is_typed(words, here) -> None:
    (here / "x").mkdir()
    assert parse_flags(words).config_dir == "x"


@pytest.mark.parametrize("words", [["--config-di", "x"], ["-cdx"], ["--config-dir"], ["-m", "--cfg", "job"]])
def test_flags_that_are_none_are_refused(words) -> None:
    with pytest.raises(RequestError):
        parse_flags(words)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("${a}", False),
        ("x-${a.b}-${.c}-${a[0]}", False),
        ("${a.${b}}", False),
        ("$5: {x}", False),
        ("${oc.env:X}", True),
        ("${ now : %Y }", True),
        ("${a.${oc.env:X}}", True),
        ("${${a}:X}", True),
        ("$\\{oc.env\\:X\\}", True),
        ("${a", True),
        ("${a}" * 100, True),
    ],
)
def test_keys_are_told_from_resolvers(text, asks) -> None:
    assert has_resolver(text) is asks
