"""Guards the architecture: who imports whom, what stays lazy, where chance, pickles and the environment may enter."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import augdistill
from augdistill.config import conf_dir

FLOORS = (  # from the ground up; a folder imports from lower floors alone, folders of one floor do not know each other
    ("base",),
    ("plugins",),  # what other packages add to the tables and configs of all floors above
    ("stats", "config"),
    ("augment", "models", "losses", "claims", "store"),
    ("data", "metrics", "training"),
    ("stages", "results"),
    ("study", "report"),
    ("executors",),
    ("api", "cli", "conformance"),
)
TENSORS = ("augment", "models", "losses", "data", "metrics", "training")  # values come as arguments, never as a config
NEVER = {  # folder -> what it has to do without, though that stands below
    **{folder: {"config", "store"} for folder in TENSORS},
    "claims": {"config"},
    **{folder: {"training", "stages"} for folder in ("results", "report")},  # from saved results alone
}
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MOST_FILES = 20  # in a folder, so that a look shows what is there

WITHOUT_TORCH = {
    *(
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
    ),
    *("stages", "stages.names", "api", "cli"),
    *("augment", "models", "losses"),
}
TABLES = {"augment", "models", "losses"}  # say what their entries are called without torch; their modules do not
HYDRA = {"cli.composing", "cli.repository", "cli.sources", "cli.sweeps"}  # imported when a command composes
IMPORTS_TORCH = {"torch", "torchvision", "torchmetrics", "safetensors.torch"}
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
GENERATORS = {"default_rng", "Generator", "SeedSequence", "PCG64", "Philox", "BitGenerator"}
GLOBAL_DRAWS = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal", "bernoulli"),
    *("multinomial", "poisson", "seed", "initial_seed", "set_rng_state"),
}
IN_PLACE_DRAWS = {"uniform_", "normal_", "bernoulli_", "random_", "exponential_", "geometric_", "log_normal_"}
ENVIRONMENT = {  # module -> the variables that it reads or sets
    "base.safepath": {"PYTHONSAFEPATH"},
    "cli.main": {"HYDRA_FULL_ERROR"},
    "cli.plain": {"AUGDISTILL_DATA"},
    "report.figures.style": {"MPLBACKEND"},
    "stages.names": {"AUGDISTILL_DATA"},
    "stages.making": {"AUGDISTILL_WORKER"},
    "executors.base": {"AUGDISTILL_WORKER"},
    "executors.devices": {"CUDA_VISIBLE_DEVICES"},
    "executors.local": {"CUDA_VISIBLE_DEVICES"},
    "training.device": {"CUBLAS_WORKSPACE_CONFIG"},
}

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


def dotted(node: ast.AST) -> str:
    """Return a.b.c for an attribute chain of names, else nothing."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def use_violations(module: str, tree: ast.AST) -> Iterator[str]:
    """Yield uses of global chance, of loaders that can run code, and of what imports by a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            chain = dotted(node).replace("numpy.", "np.", 1)
            base, _, last = chain.rpartition(".")
            if base == "np.random" and last not in GENERATORS:
                yield f"{chain}, numpy's global generator"
            if base in ("torch", "torch.random", "torch.cuda") and last in GLOBAL_DRAWS:
                yield f"{chain}, torch's global generator"
            if node.attr.startswith("manual_seed") and room(module) != "models":
                yield f"{node.attr} outside models"
            if node.attr in ("write_text", "write_bytes") and module != "base.locks":
                yield f"{node.attr} instead of base.files.write_atomic"
            if node.attr in IN_PLACE_DRAWS and room(module) != "models":
                yield f"{node.attr}, torch's global generator"
            if base in ("nn", "torch.nn", "F", "functional", "torch.nn.functional") and "dropout" in last.lower():
                yield f"{chain}, torch's global generator"
            if chain in ("os.system", "os.popen") or (base == "os" and last.startswith(("exec", "spawn"))):
                yield f"{chain}, which runs a program"
            if chain in ("torch.load", "pickle.load", "pickle.loads"):
                yield f"{chain}, which can run code"
            if base == "yaml" and "load" in last and not last.startswith("safe_"):
                yield f"{chain}, which can run code"
        if isinstance(node, ast.ImportFrom) and node.module in ("yaml", "torch", "numpy.random", "importlib", "os"):
            hidden = {"load", "full_load", "unsafe_load", "manual_seed", "environ", "getenv", *GLOBAL_DRAWS}
            for alias in node.names:
                foreign = node.module == "numpy.random" and alias.name not in GENERATORS
                by_name = alias.name == "import_module" and room(module) != "stages" and module != "base.lazy"
                if alias.name in hidden or foreign or by_name:
                    yield f"{node.module}.{alias.name} under a name of its own"
        if isinstance(node, ast.ImportFrom) and module != "plugins":  # which alone imports what metadata names
            yield from ("entry_points outside plugins" for alias in node.names if alias.name == "entry_points")
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            if called in ("eval", "exec", "compile", "__import__", "importlib.import_module"):
                yield f"{called}()"
            if called.rpartition(".")[2] in ("default_rng", "PCG64", "SeedSequence") and not node.args + node.keywords:
                yield f"{called}() without a seed"
            if any(word.arg == "shell" and getattr(word.value, "value", True) is not False for word in node.keywords):
                yield "shell, which runs what is typed"
            if called in ("np.load", "numpy.load") and "allow_pickle" not in {word.arg for word in node.keywords}:
                yield "np.load without allow_pickle=False"
            if any(
                word.arg == "allow_pickle" and getattr(word.value, "value", True) is not False for word in node.keywords
            ):
                yield "allow_pickle"


def environment_violations(module: str, tree: ast.AST) -> Iterator[str]:
    """Yield every use of the environment but that of a listed variable, by name."""
    allowed = ENVIRONMENT.get(module, set())
    listed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and dotted(node.value) == "os.environ":
            key, holder = node.slice, node.value
        elif isinstance(node, ast.Call) and dotted(node.func) in (
            "os.environ.get",
            "os.environ.setdefault",
            "os.environ.pop",
        ):
            key, holder = node.args[0], getattr(node.func, "value", node)
        else:
            continue
        if isinstance(key, ast.Constant) and key.value in allowed:
            listed.add(holder)
    for node in ast.walk(tree):
        if dotted(node) in ("os.environ", "os.getenv", "os.putenv", "os.environb") and node not in listed:
            yield f"an environment variable that is not listed, in {module}"


def violations(module: str, source: str) -> list[str]:
    """Return what a module does against the rules of this file."""
    tree = ast.parse(source)
    found = (import_violations(module, tree), use_violations(module, tree), environment_violations(module, tree))
    return [violation for kind in found for violation in kind]


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_the_rules_are_kept(module: str) -> None:
    assert violations(module, MODULES[module].read_text()) == []


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
        ("augment.mixup", "import numpy as np\nnp.random.shuffle([1])", "numpy's global generator"),
        ("augment.mixup", "from numpy.random import rand", "numpy.random.rand under a name of its own"),
        ("augment.mixup", "import numpy as np\nrng = np.random.default_rng()", "without a seed"),
        ("training.loop", "import torch\ntorch.manual_seed(0)", "manual_seed outside models"),
        ("training.loop", "import torch\ntorch.cuda.manual_seed_all(0)", "manual_seed_all outside models"),
        ("models.lenet", "import torch\nnoise = torch.randn(3)", "torch.randn, torch's global generator"),
        ("training.batches", "def f(x): x.bernoulli_(0.5)", "bernoulli_, torch's global generator"),
        ("models.lenet", "from torch import nn\nlayer = nn.Dropout(0.5)", "nn.Dropout, torch's global generator"),
        ("stages.common", "import pickle", "pickle outside data.pickles"),
        ("data.pickles", "import pickle\npickle.load(file)", "pickle.load, which can run code"),
        ("stages.common", "import torch\ntorch.load('w.pt')", "torch.load, which can run code"),
        ("stages.common", "from torch import load", "torch.load under a name of its own"),
        ("claims.schema", "import yaml\nyaml.load(text, Loader)", "yaml.load, which can run code"),
        ("stages.common", "import numpy as np\nnp.load(path, allow_pickle=True)", "allow_pickle"),
        ("stages.common", "import numpy as np\nnp.load(path)", "np.load without allow_pickle=False"),
        ("stages.folders", "import subprocess\nsubprocess.run('git', shell=True)", "shell, which runs what is typed"),
        ("stages.folders", "import os\nos.system('git')", "os.system, which runs a program"),
        ("stages.folders", "import os\nos.execvp('git', [])", "os.execvp, which runs a program"),
        ("stages.common", "from torch.serialization import load", "torch.serialization"),
        ("config", "eval('1')", "eval()"),
        ("config", "import importlib\nimportlib.import_module(name)", "importlib.import_module()"),
        ("config", "from importlib import import_module", "importlib.import_module under a name"),
        ("models", "from importlib.metadata import entry_points", "entry_points outside plugins"),
        ("plugins", "from augdistill.config import choices", "config from plugins"),
        ("store.runs", "import os\nhost = os.environ['HOST']", "not listed, in store.runs"),
        ("cli.main", "import os\nhost = os.environ.get('HOST')", "not listed, in cli.main"),
        (
            "cli.main",
            "import os\nos.environ.get('HYDRA_FULL_ERROR')\nprint(dict(os.environ))",
            "not listed, in cli.main",
        ),
        ("store.runs", "import os\nhost = os.getenv('HOST')", "not listed, in store.runs"),
        ("store.runs", "from os import environ", "os.environ under a name of its own"),
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
        ("models.shapes", "import torch\ntorch.default_generator.manual_seed(1)"),
        ("augment.mixup", "import numpy as np\nrng = np.random.default_rng(3)\nx = rng.random(2)"),
        ("claims.schema", "import yaml\nclaims = yaml.safe_load(text)"),
        ("stages.common", "import numpy as np\nnp.load(path, allow_pickle=False)"),
        ("cli.main", "import os\nos.environ['HYDRA_FULL_ERROR'] = '1'"),
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


@pytest.mark.parametrize("path", sorted(conf_dir().rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_config_names_what_to_import(path: Path) -> None:
    def keys(node: object) -> Iterator[str]:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        yield from node if isinstance(node, dict) else []
        for child in children:
            yield from keys(child)

    assert "_target_" not in set(keys(yaml.safe_load(path.read_text())))


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


def test_the_drawing_reads_from_the_top_down() -> None:
    place = {line.split()[0]: number for number, line in enumerate(drawn().splitlines()) if line.startswith("  ")}
    assert set(place) == set(FLOOR)
    for line in drawn().splitlines():
        if line.startswith("  "):
            folder, *below = line.split()
            assert all(place[name] > place[folder] for name in below), line


if __name__ == "__main__":
    print(drawn())
