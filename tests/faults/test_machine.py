"""What the machine refuses ends in one clear line, a valid previous state, and goes on when it gives way."""

import errno
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from augdistill.cli.listing import writable
from augdistill.store.runs import RunStore
from core import student_config, teacher_config
from faults.harness import EVERY_STEP, Ended, FailAt, ended, job, results, start, timed

Copied = Callable[[str], Path]
WORDS = ("aug=cutmix", "teacher_seed=0", "seed=4", "optim.epochs=1", "runtime.checkpoint_every=0min")
KEPT = "what was finished is kept, and the same command goes on"


def undisturbed(copied: Copied) -> dict:
    calm = copied("calm")
    timed(job("student", student_config(calm, *WORDS)), calm)
    return results(calm)


@pytest.fixture
def disk(taught: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the finished teacher's outputs on a disk of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield Path(shutil.copytree(taught, folder / "outputs"))
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def leave(disk: Path, free: int) -> None:
    """Fill a disk until so many bytes are free."""
    ballast = disk.parent / "ballast"
    ballast.unlink(missing_ok=True)
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - free)))


def fill_up(disk: Path, told: Path, step: int) -> tuple[int, set[str]]:
    """Begin a student on a disk that has `step` bytes more each time, until it ends; return how often it did not."""
    work, failures, lines, free = job("student", student_config(disk, *WORDS)), 0, set(), 0
    while True:
        leave(disk, free)
        last = ended(work, told)
        if last == Ended(0, ""):
            return failures, lines
        assert last.code == 1, last
        assert "\n" not in last.told
        assert last.told.startswith("No space left on device"), last
        assert KEPT in last.told
        assert not list((disk / "runs").rglob(".writing-*"))
        store = RunStore(disk)
        assert all(store.damage(path) == [] for path in (disk / "runs").iterdir())
        failures, free = failures + 1, free + step
        lines.add(Path(last.told.partition("(")[2].partition(")")[0]).suffix)


@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_write_costs_that_write_only(disk: Path, copied: Copied, tmp_path: Path) -> None:
    failures, _ = fill_up(disk, tmp_path / "told", 96 * 1024)
    assert failures >= 2
    assert results(disk) == undisturbed(copied)


@pytest.mark.slow
def test_doctor_tells_a_full_disk(disk: Path) -> None:
    assert writable(disk / "new") == "can be written"
    leave(disk, 0)
    assert writable(disk / "new") == f"CANNOT be written ({disk}: No space left on device): outputs="


@pytest.mark.long
def test_a_disk_that_fills_up_page_by_page(disk: Path, copied: Copied, tmp_path: Path) -> None:
    failures, files = fill_up(disk, tmp_path / "told", 4096)
    print(f"{failures} times the disk was full, while writing {sorted(files)}")
    assert failures > 30
    assert results(disk) == undisturbed(copied)


@pytest.mark.slow
@pytest.mark.parametrize("step", EVERY_STEP)
def test_an_error_at_every_step_of_every_write_costs_that_write_only(step: int, copied: Copied) -> None:
    outputs = copied("outputs")
    work, calls = job("student", student_config(outputs, *WORDS[:-1])), 0
    while (last := ended(work, outputs / "told", FailAt(calls + 1))) != Ended(0, ""):
        calls += step
        assert last.code == 1, last
        assert last.told.startswith(os.strerror(errno.EIO)), last
        assert KEPT in last.told
        assert "\n" not in last.told
    assert calls >= 12
    assert results(outputs) == undisturbed(copied)


@pytest.mark.slow
def test_a_disk_that_becomes_read_only_is_named(disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk.parent], check=True)
    last = ended(job("student", student_config(disk, *WORDS)), tmp_path / "told")
    assert last.code == 1
    assert last.told.startswith("Read-only file system (")
    assert KEPT in last.told
    assert "\n" not in last.told
    subprocess.run(["mount", "-o", "remount,rw", disk.parent], check=True)
    assert ended(job("student", student_config(disk, *WORDS)), tmp_path / "told") == Ended(0, "")


def become_nobody() -> None:
    os.setgid(65534)
    os.setuid(65534)


def test_a_folder_without_permission_is_named(taught: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        outputs, told = Path(shutil.copytree(taught, folder / "outputs")), folder / "told"
        told.touch()
        told.chmod(0o666)
        last = start(job("student", student_config(outputs, *WORDS)), told, become_nobody).wait()
    assert last.code == 1
    assert last.told.startswith("Permission denied (")
    assert KEPT in last.told
    assert "\n" not in last.told


def limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, resource.RLIM_INFINITY))


def test_memory_that_runs_out_is_one_line(copied: Copied) -> None:
    """A ResNet18 of full width, 45 MB of weights, where 50 MB are left."""
    outputs = copied("outputs")
    last = ended(job("teacher", teacher_config(outputs, "teacher.width=64")), outputs / "told", limit_memory)
    assert last in [  # by what it was doing
        Ended(1, f"out of memory: {advice}")
        for advice in ("a smaller optim.batch_size needs less", "fewer jobs at once need less")
    ]


def keep_a_secret() -> None:
    os.environ["SECRET_TOKEN"] = "hunter2-never-written"


def test_nothing_that_a_run_writes_holds_the_environment(copied: Copied) -> None:
    outputs = copied("outputs")
    assert ended(job("student", student_config(outputs, *WORDS)), outputs / "told", keep_a_secret) == Ended(0, "")
    files = [path for path in outputs.rglob("*") if path.is_file()]
    assert len(files) > 15
    assert not [path for path in files if b"hunter2" in path.read_bytes() or b"SECRET_TOKEN" in path.read_bytes()]
