"""The example plugin, and the single file of docs/extending.md, installed by pip in environments of their own."""

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from conftest import RunAugdistill

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin"
FILES = {"toml": "pyproject.toml", "python": "mypkg/__init__.py", "yaml": "mypkg/conf/aug/solarize.yaml"}
Run = Callable[[Sequence[str], Path], str]


def environment(folder: Path, package: Path) -> Run:
    """Return what runs `python -m ...` in a new environment into which pip has installed a package.

    It borrows the dependencies of this one, and augdistill itself from the checkout, by a .pth file.
    """
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "borrowed.pth").write_text("".join(f"{path}\n" for path in [*borrowed, ROOT / "src"]))
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "AUGDISTILL_DATA")}
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", package], check=True, capture_output=True, env=clean)

    def run(words: Sequence[str], cwd: Path) -> str:
        ended = subprocess.run([python, "-P", "-m", *words], cwd=cwd, env=clean, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return environment(tmp_path_factory.mktemp("environment"), EXAMPLE)


@pytest.mark.slow
def test_the_example_runs_a_study_of_its_own(example: Run, run_augdistill: RunAugdistill, tmp_path: Path) -> None:
    known = example(["augdistill.cli", "doctor"], tmp_path)
    assert re.search(r"^plugin mypkg +1: 1 strategy, 1 model, 1 loss, 1 metric, 7 configs \(mypkg 0.1\)$", known, re.M)
    told = example(["augdistill.cli", "study", "study=mypkg/first", "study.blocks=1"], tmp_path)
    assert "mypkg/fmix" in told
    runs = tmp_path / "outputs" / "runs"
    (student,) = runs.glob("student-digits-mypkg.mlp-mypkg.fmix-s0-*/manifest.json")
    manifest = json.loads(student.read_text())
    assert manifest["document"]["plugins"] == {"mypkg": "1"}
    assert manifest["provenance"]["versions"]["mypkg"] == "0.1"
    assert manifest["config"]["distillation"]["loss"] == {"name": "mypkg/tempered-ce", "power": 2.0}
    (plain,) = runs.glob("teacher-digits-resnet18-baseline-s0-*/manifest.json")
    assert "plugins" not in json.loads(plain.read_text())["document"]
    for path in runs.glob("evaluation-*/metrics.json"):
        assert 0 <= json.loads(path.read_text())["scalars"]["mypkg/adaptive_ece"] <= 1
    page = tmp_path / "outputs" / "studies" / "mypkg.first" / "report" / "index.html"
    for words in (
        "Do students of FMix teachers lose accuracy?",
        "students of FMix teachers are less accurate",
        "Adaptive",
    ):
        assert words in page.read_text()
    without = run_augdistill(["report", "mypkg.first"], tmp_path)  # where nobody has installed the plugin
    assert without.code == 0, without.stderr
    assert "mypkg/fmix" in page.read_text()
    refused = run_augdistill(["train-teacher", "aug=mypkg/fmix"], tmp_path)
    assert refused.code == 2
    assert "aug=mypkg/fmix needs the plugin mypkg, which is not installed here: pip install" in refused.stderr


@pytest.mark.slow
def test_the_example_keeps_every_contract(example: Run, tmp_path: Path) -> None:
    told = example(
        ["pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "augdistill.conformance", "-k", "mypkg"], tmp_path
    )
    assert re.search(r"^[1-9]\d* passed", told, re.M)
    assert "failed" not in told


@pytest.mark.slow
def test_a_single_file_becomes_a_plugin_as_the_docs_say(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "extending.md").read_text()
    for kind, place in (
        ("toml", "pyproject.toml"),
        ("python", "mypkg/__init__.py"),
        ("yaml", "mypkg/conf/aug/solarize.yaml"),
    ):
        (code,) = re.findall(rf"```{kind}\n(.*?)```", text, re.S)
        (tmp_path / "package" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "package" / place).write_text(code)
    run = environment(tmp_path / "environment", tmp_path / "package")
    (command,) = re.findall(r"^augdistill (train-teacher .*epochs=1 aug=mypkg/solarize)$", text, re.M)
    folder = run(["augdistill.cli", *command.split()], tmp_path).strip()
    assert Path(folder).name.startswith("teacher-digits-resnet18-mypkg.solarize-s0-")
