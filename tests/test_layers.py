"""Guards the architecture: who imports whom, and what stays lazy. What a module may call: test_calls."""

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import augdistill

FLOORS = (  # from the ground up; a folder imports from lower floors alone, folders of one floor do not know each other
    ("base",),
    ("plugins",),  # what other packages add to the tables and configs of all floors above
    ("stats", "config"),
    ("augment", "models", "losses", "shift", "claims", "store"),
    ("data", "metrics", "training", "trackers"),
    ("stages", "results"),
    ("study", "report", "export"),
    ("executors",),
    ("cli", "conformance"),
    ("api", "__main__"),  # does what commands do; what `python -m` needs there
)
TENSORS = (
    "augment",
    "models",
    "losses",
    "shift",
    "data",
    "metrics",
    "training",
)  # values are arguments, no config
NEVER = {  # folder -> what it has to do without, though that stands below
    **{folder: {"config", "store"} for folder in TENSORS},
    "claims": {"config"},
    **{folder: {"training", "stages"} for folder in ("results", "report")},  # from saved results alone
}
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MOST_FILES = 20  # in a folder, so that a look shows what is there

WITHOUT_TORCH = {
    "base",
    "plugins",
    "stats",
    "config",
    "claims",
    "store",
    "data",
    "metrics",
    "results",
    "study",
    "report",
    "executors",
    "stages",
    "stages.names",
    "api",
    "cli",
    "augment",
    "models",
    "losses",
    "shift",
    "trackers",
}
TABLES = {
    "augment",
    "models",
    "losses",
    "shift",
}  # say what entries are called without torch; their modules do not
# imported when a command composes
HYDRA = {f"cli.composing.{name}" for name in ("compose", "repository", "sources", "sweeps")}
IMPORTS_TORCH = {"torch", "torchvision", "torchmetrics", "safetensors.torch"}
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}

PACKAGE = Path(augdistill.__file__).parent


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    return module.split(".")[0]


def is_light(module: str) -> bool:
    """Say whether a module must be importable without torch; of `stages` and the tables only those listed must."""
    return module in WITHOUT_TORCH or room(module) in WITHOUT_TORCH - {"stages"} - TABLES


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(tree: ast.AST, at_import: bool = True) -> Iterator[tuple[str, bool]]:
    """Yield what a module imports, and whether that happens as soon as it is itself imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            whole = [f"{base}.{alias.name}" for alias in node.names]
            known = [name for name in whole if name.removeprefix("augdistill.") in MODULES]
            yield from ((name, at_import) for name in known or [base])
        else:
            lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_type_checking(node)
            yield from imports(node, at_import and not lazy)


def import_violations(module: str, tree: ast.AST) -> Iterator[str]:
    own = FLOOR[room(module)]
    for name, at_import in imports(tree):
        top = name.split(".")[0]
        if name.startswith("."):
            yield f"the relative import {name}"
        if top in ("hydra", "hydra_plugins") and room(module) != "cli":
            yield "hydra outside cli"
        if top in ("code", "runpy") or name.startswith(("torch.serialization", "torch.package", "torch.hub")):
            yield f"{name}, which can run code"
        if top in PICKLES and module != "data.pickles":
            yield f"{top} outside data.pickles"
        if top in ("random", "secrets"):
            yield f"{top}, a source of chance without a seed"
        eager = is_light(module) and at_import
        if eager and (name in IMPORTS_TORCH or top in IMPORTS_TORCH):
            yield f"{name} as soon as {module} is imported"
        if top != "augdistill" or "." not in name:
            continue
        target = name.removeprefix("augdistill.")
        if eager and not is_light(target):
            yield f"{target}, which imports torch, as soon as {module} is imported"
        if room(target) == room(module):
            continue
        if FLOOR[room(target)] >= own or room(target) in NEVER.get(room(module), ()):
            yield f"{target} from {module}"


def violations(module: str, source: str) -> list[str]:
    """Return what a module imports against the rules of this file."""
    return list(import_violations(module, ast.parse(source)))


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_the_rules_are_kept(module: str) -> None:
    assert violations(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize("top", [PACKAGE, Path(__file__).parent])
def test_a_look_at_a_folder_shows_what_is_there(top: Path) -> None:
    there = (path for path in top.rglob("*.*") if path.is_file() and path.parent.name != "__pycache__")
    files = Counter(path.parent for path in there if path.name != "conftest.py")
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


def test_every_module_has_its_floor() -> None:
    assert {room(module) for module in MODULES if module} == set(FLOOR)
    whole = ast.parse(MODULES[""].read_text())
    assert {name for name, at_import in imports(whole) if at_import} == {"typing"}  # importing the package does no work


@pytest.mark.parametrize(
    ("module", "source", "words"),
    [
        ("losses.kd", "from augdistill.training.loop import fit", "training.loop from losses.kd"),
        ("models.lenet", "import augdistill.augment.mixup", "augment.mixup from models.lenet"),
        ("config", "def f():\n    from augdistill import models", "models from config"),
        ("stages.teacher", "from augdistill.study.plan import Plan", "study.plan from stages.teacher"),
        ("training.loop", "from augdistill.store.runs import RunStore", "store.runs from training.loop"),
        ("augment.mixup", "from augdistill.config import parameters", "config from augment.mixup"),
        ("results.frame", "from augdistill.report import command", "report.command from results.frame"),
        (
            "report.page.html",
            "def f():\n    from augdistill.training.device import resolve",
            "training.device from report.page.html",
        ),
        ("report.page.html", "from augdistill.stages import names", "stages.names from report.page.html"),
        ("executors.local", "from augdistill.cli.commands import study", "cli.commands from executors.local"),
        ("training.loop", "from . import batches", "relative import"),
        ("executors.local", "def f():\n    from hydra import compose", "hydra outside cli"),
        ("store.identity", "import torch", "torch as soon as store.identity is imported"),
        ("claims.samples", "try:\n    from torch import nn\nexcept ImportError: pass", "torch as soon as"),
        ("study.plan", "from safetensors.torch import load_file", "safetensors.torch as soon as"),
        ("cli.commands", "from augdistill.stages import teacher", "stages.teacher, which imports torch"),
        ("cli.listing", "class A:\n    from augdistill.losses.kd import loss", "losses.kd, which imports torch"),
        ("stages.names", "import torchvision.datasets", "torchvision.datasets as soon as"),
        ("augment.mixup", "import random", "random, a source of chance"),
        ("stages.common", "import pickle", "pickle outside data.pickles"),
        ("stages.common", "from torch.serialization import load", "torch.serialization"),
        ("plugins", "from augdistill.config import choices", "config from plugins"),
    ],
)
def test_what_breaks_a_rule_is_found(module: str, source: str, words: str) -> None:
    found = violations(module, source)
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("training.loop", "from augdistill import losses, models\nimport torch"),
        ("study.plan", "from augdistill.stages import names"),
        ("stages.teacher", "from augdistill.store.identity import Ref"),
        ("study.plan", "def f():\n    import torch"),
        ("claims.comparison", "if TYPE_CHECKING:\n    from torch import Tensor"),
        ("store.runs", "from augdistill.store.identity import Ref"),
    ],
)
def test_what_keeps_the_rules_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_light_modules_import_no_torch() -> None:
    light = [module for module in MODULES if module and is_light(module) and module not in HYDRA]
    assert {"study.plan", "stages.names", "metrics.scores"} <= set(light)
    program = f"import importlib, json, sys\nfor name in {light}: importlib.import_module('augdistill.' + name)\n"
    program += "print(json.dumps(sorted(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(ended.stdout))
    assert "augdistill.study.plan" in loaded
    assert loaded.isdisjoint({"torch", "torchvision", "hydra"})


def drawn() -> str:
    """Return the floors from the top down, and beside each folder the folders that it imports from."""
    lines = []
    for number in reversed(range(len(FLOORS))):
        lines.append(f"floor {number + 1}")
        for folder in FLOORS[number]:
            trees = [
                ast.parse(path.read_text()) for module, path in MODULES.items() if module and room(module) == folder
            ]
            names = {name.removeprefix("augdistill.") for tree in trees for name, _ in imports(tree)}
            below = {room(name) for name in names if name in MODULES and name} - {folder, ""}
            lines.append(f"  {folder:11} {' '.join(sorted(below, key=lambda name: (-FLOOR[name], name)))}".rstrip())
    return "\n".join(lines)


@pytest.mark.slow
def test_the_drawing_reads_from_the_top_down() -> None:
    place = {line.split()[0]: number for number, line in enumerate(drawn().splitlines()) if line.startswith("  ")}
    assert set(place) == set(FLOOR)
    for line in drawn().splitlines():
        if line.startswith("  "):
            folder, *below = line.split()
            assert all(place[name] > place[folder] for name in below), line


if __name__ == "__main__":
    print(drawn())
