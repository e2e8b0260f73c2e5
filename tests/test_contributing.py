"""CONTRIBUTING's recipes, done word for word on a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = {
    title: text
    for title, text in re.findall(
        r"^## Adding a ([\w ]+)\n(.*?)(?=^## )", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL
    )
    if title in ("strategy", "model", "student loss", "dataset")  # the others have a file of their own
}


def put(checkout: Path, name: str, where: str, text: str) -> None:
    """Write a file, or add lines to a table, or an import, of one that is there."""
    path = checkout / name
    if not where:
        assert not path.exists(), name
        path.write_text(text)
        return
    before = path.read_text()
    if where == "import":
        first = re.search(r"^from augdistill", before, re.MULTILINE)
        assert first is not None
        path.write_text(before[: first.start()] + text + before[first.start() :])
        return
    begin = re.search(rf"^{where}\b.*\{{$", before, re.MULTILINE).start()
    end = before.index("\n}", begin) + 1
    path.write_text(before[:end] + text + before[end:])


def follow(title: str, checkout: Path) -> list[str]:
    """Do what a recipe says to files, and return its commands."""
    for part in ("src", "conf"):
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    commands: list[str] = []
    for kind, name, where, text in BLOCK.findall(RECIPES[title]):
        if kind == "sh":
            commands += text.splitlines()
        else:
            put(checkout, name, where, text)
    return commands


def run(checkout: Path, *words: str) -> str:
    """Return what a module prints that runs in a checkout."""
    env = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", *words], cwd=checkout, env=env, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_each_table_has_its_recipe() -> None:
    assert [*RECIPES] == ["strategy", "model", "student loss", "dataset"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "title", ["model", *(pytest.param(t, marks=pytest.mark.long) for t in RECIPES if t != "model")]
)
def test_a_recipe_works(title: str, tmp_path: Path) -> None:
    for command in follow(title, tmp_path):
        program, *words = command.split()
        assert program == "augdistill"
        assert " finished in " in run(tmp_path, "augdistill.cli", *words)


@pytest.mark.long
def test_what_the_recipes_add_keeps_the_contracts(tmp_path: Path) -> None:
    for title in RECIPES:
        follow(title, tmp_path / title)
        names = ("flip-vertical", "mlp", "jeffreys", "stripes")
        suite = tmp_path / title / "src" / "augdistill" / "conformance"
        run(tmp_path / title, "pytest", "-q", "-p", "no:cacheprovider", str(suite), "-k", " or ".join(names))
