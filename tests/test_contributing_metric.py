"""CONTRIBUTING does what it says: its worked examples, word for word, in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import augdistill

ROOT = Path(__file__).parents[1]
SHIM = f'#!/bin/sh\nexec "{sys.executable}" -m augdistill.cli "$@"\n'


def blocks(title: str) -> list[str]:
    """Return the blocks of code of a section of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```\w+\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def copied(folder: Path, outputs: Path) -> Path:
    """Copy the package, its values and a finished study; return the package's folder."""
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(outputs, folder / "outputs")
    return folder / "src" / Path(augdistill.__file__).parent.name


def add(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1 or old == "", old
        text = text.replace(old, new) if old else text + new
    path.write_text(text, encoding="utf-8")


def run(folder: Path, script: str) -> str:
    """Run a script of commands with the copy's `augdistill`; return what it printed last."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "augdistill").write_text(SHIM)
    (folder / "bin" / "augdistill").chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src")}
    ended = subprocess.run(["sh", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1]


@pytest.mark.slow
def test_the_metric_of_contributing_stands_in_its_table_and_the_figure_beside_it(
    tiny_study: Path, tmp_path: Path
) -> None:
    function, entry, test, script = blocks("Adding a metric")
    package = copied(tmp_path, tiny_study)
    add(package / "metrics" / "calibration.py", ("", "\n\n" + function))
    add(
        package / "metrics" / "table.py",
        ("reliability, signed_gap", "reliability, rms_calibration_error, signed_gap"),
        ("\n    ),\n}\n", f"\n    ),\n{entry}}}\n"),
    )
    shutil.copy(ROOT / "tests" / "metrics" / "test_calibration.py", tmp_path / "test_rms.py")
    imports = ("    reliability,\n", "    reliability,\n    rms_calibration_error,\n")
    add(tmp_path / "test_rms.py", imports, ("", "\n\n" + test))
    module, line, made = blocks("Adding a figure or a table")
    figures = package / "report" / "figures"
    (figures / "brier.py").write_text(module)
    imports = (
        "from augdistill.report.figures.curves",
        "from augdistill.report.figures.brier import brier_score\nfrom augdistill.report.figures.curves",
    )
    add(figures / "__init__.py", imports, ('("histories",)),\n}\n', f'("histories",)),\n{line}}}\n'))
    heads = run(tmp_path, f"{sys.executable} -m pytest -q -k rms_calibration_error test_rms.py\n{script}")
    assert heads.count("ECE, root mean square") == 2  # a teacher and a student's model
    rows = (tmp_path / "outputs/studies/tiny/report/tables/table-calibration.csv").read_text().splitlines()
    assert len([row for row in rows if ",rms_calibration_error," in row]) >= 4
    assert run(tmp_path, made).endswith("/figure-brier.svg")
    assert "Brier score on Digits" in (tmp_path / "outputs/studies/tiny/report/index.html").read_text()
