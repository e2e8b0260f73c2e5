"""Words of tiny jobs, and what a refused request leaves: one line, and nothing on disk."""

from pathlib import Path

TINY = ["dataset=digits", "dataset.size=16", "teacher.width=4", "optim.epochs=1", "runtime.threads=1"]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix not in (".lock", ".owner")}


def assert_refused(ran, *wanted: str) -> None:
    assert ran.code == 2, ran.stderr
    lines = [line for line in ran.stderr.strip().splitlines() if "once; kept in" not in line]
    assert len(lines) == 1, ran.stderr
    assert lines[0].startswith("augdistill ")
    for words in wanted:
        assert words in lines[0]
