"""The wheel works anywhere, the pinned versions fit the project, and its papers and version are named once."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from augdistill.config import conf_dir

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built, source]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it, which borrows the dependencies of this one by a .pth file.

    Lines of the borrowed folder's own .pth files are not followed, so an editable install there is not seen.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed))
    return folder


@pytest.fixture(scope="module")
def run_installed(installed: Path) -> Callable[..., str]:
    """What a program of the new environment prints, run in the folder `cwd`."""

    def run(program: str, words: Sequence[str], cwd: Path) -> str:
        clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "AUGDISTILL_DATA")}
        command = [installed / "bin" / program, *words]
        return subprocess.run(command, cwd=cwd, env=clean, check=True, stdout=subprocess.PIPE, text=True).stdout

    return run


def test_the_wheel_carries_every_file(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    configs = {f"augdistill/conf/{path.relative_to(conf_dir())}" for path in conf_dir().rglob("*.yaml")}
    modules = {
        f"augdistill/{path.relative_to(ROOT / 'src/augdistill')}" for path in ROOT.glob("src/augdistill/**/*.py")
    }
    assert configs | modules | {"augdistill/py.typed"} <= names
    assert all(name.startswith(("augdistill/", "augdistill-")) for name in names)


@pytest.mark.slow
def test_the_wheel_runs_from_any_folder(run_installed: Callable[..., str], installed: Path, tmp_path: Path) -> None:
    where = "import augdistill.config as config; print(config.__file__); print(config.conf_dir())"
    for path in run_installed("python", ["-c", where], tmp_path).splitlines():
        assert Path(path).is_relative_to(installed)
    assert "train-teacher" in run_installed("augdistill", ["--help"], tmp_path)
    assert run_installed("augdistill", ["--version"], tmp_path) == f"augdistill {PROJECT['version']}\n"
    config = yaml.safe_load(run_installed("augdistill", ["train-teacher", "--cfg", "job"], tmp_path))
    assert config["teacher"] == {"name": "resnet18", "width": 64}
    assert list(tmp_path.iterdir()) == []
    assert "accuracy on digits-test" in run_installed("augdistill", ["study", "study=tiny"], tmp_path)
    assert (tmp_path / "outputs" / "studies" / "tiny" / "plan.json").is_file()
    kinds = [path.parent.name.split("-")[0] for path in tmp_path.glob("outputs/runs/*/manifest.json")]
    assert {kind: kinds.count(kind) for kind in kinds} == {"teacher": 2, "outputs": 2, "student": 3, "evaluation": 5}


def constraints() -> dict[str, Version]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.!]*", line) for line in lines)  # names and versions only
    return {name: Version(version) for name, version in (line.split("==") for line in lines)}


@pytest.mark.parametrize(
    "line",
    [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"], *PROJECT["optional-dependencies"]["slurm"]],
)
def test_every_dependency_is_pinned_to_a_version_that_is_allowed(line: str) -> None:
    requirement = Requirement(line)
    assert constraints()[canonicalize_name(requirement.name)] in requirement.specifier


def test_lower_bounds_only_but_for_hydra() -> None:
    bounded = [line for line in PROJECT["dependencies"] if re.search("<|==|~=", line)]
    assert [Requirement(line).name for line in bounded] == ["hydra-core"]


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert f"\n## {PROJECT['version']} " in (ROOT / "CHANGELOG.md").read_text()
    assert (citation["cff-version"], citation["title"], citation["license"]) == (
        "1.2.0",
        "augdistill",
        PROJECT["license"],
    )


def test_the_papers_are_cited() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
        assert all({"family-names", "given-names"} == set(author) for author in reference["authors"])
    numbers = {item["value"] for reference in citation["references"] for item in reference.get("identifiers", [])}
    for strategy in ("mixup", "cutmix", "cutout"):
        (number,) = set(re.findall(r"arXiv (\d{4}\.\d{5})", (conf_dir() / "aug" / f"{strategy}.yaml").read_text()))
        assert f"arXiv:{number}" in numbers


def test_ci_runs_make_check() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("\nmake check")
    subprocess.run(["bash", "-n", script], check=True)
