"""The Python API as docs/python.md shows it: `import augdistill` alone is light, and its example runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import augdistill
import saved_studies
from augdistill.report import api

TEXT = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
LIGHT = """
import sys
import augdistill
assert set(dir(augdistill)) >= {"draw", "load_results", "score_predictions"}
heavy = {"torch", "pandas", "scipy", "matplotlib", "omegaconf"} & set(sys.modules)
assert not heavy, heavy
"""


def test_the_example_of_the_documents_runs(tmp_path: Path) -> None:
    saved = saved_studies.write_study(tmp_path / "outputs", "study=quickstart", "study.blocks=2")
    (example,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", LIGHT + example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    rows = saved.results.query(
        "role == 'student' and metric == 'accuracy' and teacher_aug == 'cutmix' and model == 'lenet'"
    )
    assert f"{rows.value.mean():.6f}" in ran.stdout
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert float(ran.stdout.split()[-2]) == pytest.approx(2 / 3)  # of three samples the last is wrong


def test_the_package_has_what_the_documents_name_and_nothing_more() -> None:
    assert set(re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE)) == set(augdistill.__all__)
    assert all(getattr(augdistill, name) is getattr(api, name) for name in augdistill.__all__)
    with pytest.raises(AttributeError, match="module 'augdistill' has no attribute 'load_result'"):
        augdistill.load_result  # noqa: B018
    columns = re.search(r"columns of the results are (.*?)\. The unit", TEXT, re.DOTALL)
    assert columns is not None
    told = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", columns[1], flags=re.DOTALL))) - {"and"}
    from augdistill.report.results import ARM

    assert told == {"study", *ARM, "test_set", "metric", "value", "status", "run", "precision"}
