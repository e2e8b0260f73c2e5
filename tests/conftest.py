"""Fixtures that tests of several files share: the real command, and one finished study to look at."""

import logging
import os
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tests run side by side, one thread each

if "AUGDISTILL_DATA" in os.environ:  # real data, for the tests that ask for them: all others are the same without
    os.environ["AUGDISTILL_REAL_DATA"] = os.environ.pop("AUGDISTILL_DATA")  # which workers inherit
REAL_DATA = Path(os.environ["AUGDISTILL_REAL_DATA"]) if "AUGDISTILL_REAL_DATA" in os.environ else None

COMMAND = Path(sysconfig.get_path("scripts")) / "augdistill"
UNSET = ("AUGDISTILL_DATA", "AUGDISTILL_OUTPUTS", "AUGDISTILL_WORKER", "HYDRA_FULL_ERROR")


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


RunAugdistill = Callable[..., Ran]


def need(*packages: str, reason: str) -> None:
    """Skip the module that calls this unless all packages are installed, without importing them: that takes seconds."""
    if lacking := [name for name in packages if find_spec(name) is None]:
        pytest.skip(f"{lacking[0]} is not installed: {reason}", allow_module_level=True)


@pytest.fixture(autouse=True)
def logger_as_it_was() -> Iterator[None]:
    """Give the package's logger back as it was: commands and workers that a test runs here set it up for a terminal."""
    logger, root = logging.getLogger("augdistill"), logging.getLogger()
    before, handlers = (logger.level, logger.propagate), list(root.handlers)
    yield
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
    logger.setLevel(before[0])
    logger.propagate = before[1]


@pytest.fixture(scope="session")
def run_augdistill() -> RunAugdistill:
    """The real command: `run_augdistill(["runs", "list"], cwd, env={...})` gives its exit code, stdout and stderr.

    It runs in a process of its own, in the folder `cwd`, without $AUGDISTILL_DATA unless `env` has it.
    """

    def run(words: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 900) -> Ran:
        clean = {key: value for key, value in os.environ.items() if key not in UNSET}
        ended = subprocess.run(
            [COMMAND, *words], cwd=cwd, env={**clean, **(env or {})}, capture_output=True, text=True, timeout=timeout
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunAugdistill:
    """The command line in this process: as `run_augdistill`, without the seconds that a process takes to start."""
    from augdistill.cli.main import exit_code_of

    def run(words: Sequence[str], cwd: Path) -> Ran:
        for variable in UNSET:
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr("sys.argv", ["augdistill", *words])
        monkeypatch.chdir(cwd)
        capfd.readouterr()
        code = exit_code_of(words[0], list(words))
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory, run_augdistill: RunAugdistill) -> Path:
    """The outputs folder of a finished `augdistill study study=tiny`, made once for all workers.

    Read it only; a test that changes something works on a copy (shutil.copytree).
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny-study"
    with FileLock(f"{folder}.lock"):
        if not (folder / "finished").is_file():
            folder.mkdir(exist_ok=True)
            ran = run_augdistill(["study", "study=tiny"], folder)
            assert ran.code == 0, ran.stderr
            (folder / "finished").touch()
    return folder / "outputs"
