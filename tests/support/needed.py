"""Packages that the tests of a module need, looked for without importing them, which may take seconds."""

from importlib.util import find_spec

import pytest


def need(*packages: str, reason: str) -> None:
    """Skip the module that calls this unless all of these packages are installed."""
    if lacking := [name for name in packages if find_spec(name) is None]:
        pytest.skip(f"{lacking[0]} is not installed: {reason}", allow_module_level=True)
