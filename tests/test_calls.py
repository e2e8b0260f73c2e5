"""Guards what modules call: where chance, pickles, files and the environment may enter, and what can run code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from augdistill.config import conf_dir
from test_layers import MODULES, room

GENERATORS = {"default_rng", "Generator", "SeedSequence", "PCG64", "Philox", "BitGenerator"}
GLOBAL_DRAWS = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "rand_like",
    "randn_like",
    "randint_like",
    "normal",
    "bernoulli",
    "multinomial",
    "poisson",
    "seed",
    "initial_seed",
    "set_rng_state",
}
IN_PLACE_DRAWS = {"uniform_", "normal_", "bernoulli_", "random_", "exponential_", "geometric_", "log_normal_"}
ENVIRONMENT = {  # module -> the variables that it reads or sets
    "base.safepath": {"PYTHONSAFEPATH"},
    "cli.main": {"AUGDISTILL_OUTPUTS", "HYDRA_FULL_ERROR"},
    "cli.plain": {"AUGDISTILL_DATA"},
    "report.figures.style": {"MPLBACKEND"},
    "stages.names": {"AUGDISTILL_DATA"},
    "stages.making": {"AUGDISTILL_WORKER"},
    "executors.base": {"AUGDISTILL_WORKER"},
    "executors.devices": {"CUDA_VISIBLE_DEVICES"},
    "executors.local": {"CUDA_VISIBLE_DEVICES"},
    "training.device": {"CUBLAS_WORKSPACE_CONFIG"},
    "trackers.mlflow": {"MLFLOW_DISABLE_TELEMETRY"},
    "trackers.wandb": {"WANDB_ERROR_REPORTING"},
}
OPENS = {  # module -> why what it opens need not go through base.reading.opened, which takes regular files alone
    "base.reading": "it is what opens",
    "base.files": "it writes",
    "base.locks": "it writes",
    "base.cores": "files of the kernel",
    "config.folders": "it follows no links either",
    "config.places": "files of the package",
    "cli.words": "files of the package and of plugins",
    "cli.streams": "/dev/null",
    "executors.ray.clusters": "/dev/null",
    "report.page.html": "files of the package",
    "base.logs": "the descriptor that base.reading.append_to returns",
    "stages.folders": "weights, whose checksum was read",
    "data.images": "what its list of regular files names",
    "data.packed": "a cache, whose checksums were read",
    "data.download": "what it has downloaded",
    "data.mnist": "gzip, of what is open",
    "export": "what it has just written",
    "conformance": "files of configs",
    "shift.digital": "a JPEG that it has just made, in memory",
}
READERS = {"read_text", "read_bytes", "fdopen", "memmap", "load_file", "safe_open", "fromfile", "loadtxt", "genfromtxt"}


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
            if chain in ("pickle.load", "pickle.loads") or (chain == "torch.load" and module != "models.state_files"):
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
            if (
                called == "torch.load"
                and module == "models.state_files"
                and not any(
                    word.arg == "weights_only" and getattr(word.value, "value", False) is True for word in node.keywords
                )
            ):
                yield "torch.load without weights_only=True"
            if called in ("np.load", "numpy.load") and "allow_pickle" not in {word.arg for word in node.keywords}:
                yield "np.load without allow_pickle=False"
            if any(
                word.arg == "allow_pickle" and getattr(word.value, "value", True) is not False for word in node.keywords
            ):
                yield "allow_pickle"


def openings(tree: ast.AST) -> Iterator[str]:
    """Yield what opens or reads files by their path."""
    own = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        ours = isinstance(node.func, ast.Name) and name in own and name.startswith("read_")
        loads = dotted(node.func) in ("np.load", "numpy.load")
        if name == "open" or loads or (name in READERS and not ours):
            yield ast.unparse(node.func)


def opening_violations(module: str, tree: ast.AST) -> Iterator[str]:
    """Yield what opens files, but in the modules that are listed with a reason."""
    if not {module, room(module)} & {*OPENS}:
        yield from (f"{call} instead of base.reading, in {module}" for call in openings(tree))


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


RULES = (use_violations, opening_violations, environment_violations)


def violations(module: str, source: str) -> list[str]:
    """Return what a module calls against the rules of this file."""
    tree = ast.parse(source)
    return [violation for rule in RULES for violation in rule(module, tree)]


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_the_rules_are_kept(module: str) -> None:
    assert violations(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize("listed", OPENS)
def test_what_is_listed_as_opening_files_does(listed: str) -> None:
    trees = [ast.parse(path.read_text()) for module, path in MODULES.items() if listed in (module, room(module))]
    assert any(next(openings(tree), "") for tree in trees)


@pytest.mark.parametrize(
    ("module", "source", "words"),
    [
        ("augment.mixup", "import numpy as np\nnp.random.shuffle([1])", "numpy's global generator"),
        ("augment.mixup", "from numpy.random import rand", "numpy.random.rand under a name of its own"),
        ("augment.mixup", "import numpy as np\nrng = np.random.default_rng()", "without a seed"),
        ("training.loop", "import torch\ntorch.manual_seed(0)", "manual_seed outside models"),
        ("training.loop", "import torch\ntorch.cuda.manual_seed_all(0)", "manual_seed_all outside models"),
        ("models.lenet", "import torch\nnoise = torch.randn(3)", "torch.randn, torch's global generator"),
        ("training.batches", "def f(x): x.bernoulli_(0.5)", "bernoulli_, torch's global generator"),
        ("models.lenet", "from torch import nn\nlayer = nn.Dropout(0.5)", "nn.Dropout, torch's global generator"),
        ("data.pickles", "import pickle\npickle.load(file)", "pickle.load, which can run code"),
        ("stages.common", "import torch\ntorch.load('w.pt')", "torch.load, which can run code"),
        ("models.state_files", "import torch\ntorch.load(file, weights_only=False)", "without weights_only=True"),
        ("stages.common", "from torch import load", "torch.load under a name of its own"),
        ("claims.schema", "import yaml\nyaml.load(text, Loader)", "yaml.load, which can run code"),
        ("stages.folders", "import numpy as np\nnp.load(path, allow_pickle=True)", "allow_pickle"),
        ("stages.folders", "import numpy as np\nnp.load(path)", "np.load without allow_pickle=False"),
        ("stages.folders", "import subprocess\nsubprocess.run('git', shell=True)", "shell, which runs what is typed"),
        ("stages.folders", "import os\nos.system('git')", "os.system, which runs a program"),
        ("stages.folders", "import os\nos.execvp('git', [])", "os.execvp, which runs a program"),
        ("config", "eval('1')", "eval()"),
        ("config", "import importlib\nimportlib.import_module(name)", "importlib.import_module()"),
        ("config", "from importlib import import_module", "importlib.import_module under a name"),
        ("models", "from importlib.metadata import entry_points", "entry_points outside plugins"),
        ("store.runs", "import os\nhost = os.environ['HOST']", "not listed, in store.runs"),
        ("cli.main", "import os\nhost = os.environ.get('HOST')", "not listed, in cli.main"),
        (
            "cli.main",
            "import os\nos.environ.get('HYDRA_FULL_ERROR')\nprint(dict(os.environ))",
            "not listed, in cli.main",
        ),
        ("store.runs", "import os\nhost = os.getenv('HOST')", "not listed, in store.runs"),
        ("store.runs", "with open(path) as file: file.read()", "open instead of base.reading, in store.runs"),
        ("data.cifar10", "content = path.read_bytes()", "path.read_bytes instead of base.reading"),
        ("results.study", "import gzip\ngzip.open(path)", "gzip.open instead of base.reading"),
        ("results.study", "from safetensors.numpy import load_file\nload_file(path)", "load_file instead of"),
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
        ("models.shapes", "import torch\ntorch.default_generator.manual_seed(1)"),
        ("augment.mixup", "import numpy as np\nrng = np.random.default_rng(3)\nx = rng.random(2)"),
        ("claims.schema", "import yaml\nclaims = yaml.safe_load(text)"),
        ("data.packed", "import numpy as np\nnp.load(path, allow_pickle=False)"),
        ("store.runs", "from augdistill.base.reading import read_text\nread_text(path)"),
        ("cli.main", "import os\nos.environ['HYDRA_FULL_ERROR'] = '1'"),
    ],
)
def test_what_keeps_the_rules_passes(module: str, source: str) -> None:
    assert violations(module, source) == []


@pytest.mark.parametrize("path", sorted(conf_dir().rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_config_names_what_to_import(path: Path) -> None:
    def keys(node: object) -> Iterator[str]:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        yield from node if isinstance(node, dict) else []
        for child in children:
            yield from keys(child)

    assert "_target_" not in set(keys(yaml.safe_load(path.read_text())))
