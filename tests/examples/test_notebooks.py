"""The notebooks of examples/: each runs from an empty folder to its end, and is kept without outputs."""

import json
import os
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))


def test_there_are_notebooks_without_outputs() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "first-study",
        "temperature-and-alpha",
        "your-teacher-in-the-student-out",
    ]
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text())["cells"]
        assert [
            cell for cell in cells if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"])
        ] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": work}}
    ).execute()
    last = notebook.cells[-1].outputs[-1]
    told = last.get("data", {})
    if path.stem == "your-teacher-in-the-student-out":
        assert float(told["text/plain"].removeprefix("np.float64(").removesuffix(")")) > 0.5  # ten classes
    else:
        pictures = [
            out for cell in notebook.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})
        ]
        assert pictures
        assert "kd" in str(told) or "image/png" in told
