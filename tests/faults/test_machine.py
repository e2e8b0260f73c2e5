"""What the machine refuses ends in one clear line, a valid previous state, and goes on when it gives way."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from augdistill.runs import RunStore
from core import student_config
from faults.harness import Ended, ended, job, results, timed

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


def test_a_disk_that_fills_up_at_any_write_costs_that_write_only(disk: Path, copied: Copied, tmp_path: Path) -> None:
    failures, _ = fill_up(disk, tmp_path / "told", 48 * 1024)
    assert failures >= 4
    assert results(disk) == undisturbed(copied)


@pytest.mark.long
def test_a_disk_that_fills_up_page_by_page(disk: Path, copied: Copied, tmp_path: Path) -> None:
    failures, files = fill_up(disk, tmp_path / "told", 4096)
    print(f"{failures} times the disk was full, while writing {sorted(files)}")
    assert failures > 30
    assert results(disk) == undisturbed(copied)
