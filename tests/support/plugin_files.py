"""Installs small plugins: packages with the metadata that pip would write, in a folder to be put on the path."""

import sys
from pathlib import Path

import pytest

from augdistill import plugins
from augdistill.cli import words
from augdistill.config import base, groups, places

CODE = """
from augdistill.augment import AUGMENTATIONS
from augdistill.models import MODELS
from augdistill.plugins import Plugin

plugin = Plugin(
    name={name!r},
    version={stated!r},
    strategies={{"shift": AUGMENTATIONS["flip-crop"]}},
    models={{"net": MODELS["lenet"]}},
)
"""
CONF = {
    "aug/shift.yaml": "ops:\n  {name}/shift:\n    flip: 0.25\n    padding: 0.125\n",
    "student/net.yaml": "name: {name}/net\n",
    "teacher/net.yaml": "name: {name}/net\n",
    "optim/net.yaml": "",
}
RECIPE = (Path(__file__).parents[2] / "conf" / "optim" / "lenet.yaml").read_text()
STUDY = """
defaults:
  - tiny
  - /student@students.own: {name}/net
  - /optim@students.own.optim: {name}/net
  - _self_

name: {name}.small
students:
  own:
    optim: {{epochs: 1}}
aug: [baseline, {name}/shift, {name}/shift+cutmix]
ops:
  {name}/shift: {{flip: 0.0}}
"""


def install(
    folder: Path,
    name: str = "extra",
    *,
    version: str = "0.3",
    stated: str = "7",
    code: str = CODE,
    distribution: str | None = None,
    conf: bool = True,
) -> Path:
    """Put a package with a plugin into `folder` as pip would, and return the package's own folder."""
    package, distribution = folder / name, distribution or f"dist-{name}"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(code.format(name=name, stated=stated))
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[augdistill.plugins]\n{name} = {name}:plugin\n")
    files = {**CONF, "optim/net.yaml": RECIPE, "study/small.yaml": STUDY} if conf else {}
    for path, text in files.items():
        (package / "conf" / path).parent.mkdir(parents=True, exist_ok=True)
        (package / "conf" / path).write_text(text.format(name=name) if "{name}" in text else text)
    return package


def forget(*packages: str) -> None:
    """Let the process look anew for plugins and their configs, and forget packages that it has imported."""
    for module in (plugins, places, base, groups, words):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process see the plugins in a folder."""
    monkeypatch.syspath_prepend(folder)
    forget()
