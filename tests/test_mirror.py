"""Tests lie as the modules do: a module with logic has its namesake, a namesake has its module, and no file is long."""

import ast
from pathlib import Path

import pytest

import augdistill

PACKAGE, TESTS = Path(augdistill.__file__).parent, Path(__file__).parent
MOST_LINES = 400
APART = ("conformance", "conf")  # tests of entries that are run by their authors, and values
WITHOUT_NAMESAKE = {  # module with logic -> where it is tested instead
    "__init__.py": "tests/test_api.py asks for what a notebook imports",
    "executors/__init__.py": "a table that tests/executors/test_base.py picks from",
    "report/figures/__init__.py": "a table of figures, which tests/report/test_building.py draws",
    "report/tables/__init__.py": "a table of tables, which tests/report/test_building.py makes",
}
WITHOUT_MODULE = {  # test in a mirrored folder -> what it is about instead
    "config/test_conf.py": "the values in conf/, composed by every command",
    "report/page/test_browser.py": "the finished page in a browser",
    "report/test_recomputed.py": "the numbers of a whole report, computed again from saved predictions",
    "training/test_cuda_without_gpu.py": "whole steps of every module on tensors that claim to lie on a GPU",
    "stats/test_simulated.py": "all tests of claims on simulated studies whose truth is known",
}


def has_logic(path: Path) -> bool:
    """Return whether a module defines a function or method that does something: more than words or `...`."""
    functions = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    return any(
        not isinstance(line, ast.Expr) or not isinstance(line.value, ast.Constant) for f in functions for line in f.body
    )


def modules() -> list[str]:
    """Return the modules of the package, as paths below it."""
    found = (path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")))
    return [str(path) for path in found if path.parts[0] not in APART]


def namesake(module: str) -> str:
    """Return where a module is tested: that of a package itself in the package's folder, under the package's name."""
    path = Path(module)
    name = (path.parent if path.stem == "__init__" else path).stem.strip("_")
    return str(path.with_name(f"test_{name}.py"))


NAMESAKES = {namesake(module): module for module in modules()}
FOLDERS = {str(Path(module).parent) for module in modules()} - {"."}


@pytest.mark.parametrize("module", [module for module in modules() if has_logic(PACKAGE / module)])
def test_a_module_with_logic_has_a_namesake(module: str) -> None:
    is_there = (TESTS / namesake(module)).is_file()
    assert is_there != (module in WITHOUT_NAMESAKE), f"tests/{namesake(module)}"


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_a_namesake_has_a_module(folder: str) -> None:
    found = {f"{folder}/{path.name}" for path in (TESTS / folder).glob("test_*.py")}
    listed = {path for path in WITHOUT_MODULE if str(Path(path).parent) == folder}
    assert found - set(NAMESAKES) == listed


def test_no_file_of_tests_is_long() -> None:
    lengths = {str(path.relative_to(TESTS)): len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert {path for path, length in lengths.items() if length > MOST_LINES} == set()


def test_lists_name_what_there_is() -> None:
    assert set(WITHOUT_NAMESAKE) <= set(modules())
    assert all((TESTS / path).is_file() for path in WITHOUT_MODULE)
    assert {path for path in WITHOUT_MODULE if path in NAMESAKES} == set()


@pytest.mark.parametrize(
    ("source", "logic"),
    [
        ("X = 3\nclass A:\n    x: int\n", False),
        ("class A:\n    def f(self) -> int:\n        '''Return x.'''\n", False),
        ("class A:\n    def f(self): ...\n", False),
        ("class A:\n    def f(self):\n        return 1\n", True),
        ("def f():\n    '''Do.'''\n    g()\n", True),
    ],
)
def test_logic_is_a_function_that_does_something(source: str, logic: bool, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(source)
    assert has_logic(tmp_path / "module.py") is logic
