"""What a table's entry names is imported when it is first used, so that the tables themselves import no torch."""

from importlib import import_module
from typing import Any


def load(place: str) -> Any:
    """Return the module "package.module", or what is called NAME in it for "package.module:NAME"."""
    module, _, name = place.partition(":")
    loaded = import_module(module)
    return getattr(loaded, name) if name else loaded
