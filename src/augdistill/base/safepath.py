"""Keeps the folder one happens to stand in off the path that modules are imported from, here and in what is started."""

import os
import sys
from pathlib import Path


def start_safely() -> None:
    """Let no interpreter that this process starts import from the current folder.

    `python -c` and `python -m`, by which workers are started, put it first: a `signal.py` there would be taken for the
    standard module.
    """
    os.environ["PYTHONSAFEPATH"] = "1"


def leave_out_current_folder() -> None:
    """Import nothing from the current folder from now on, neither here nor in what is started.

    Workers are given this process's path. It stays where the package itself lies in it.
    """
    start_safely()
    here, own = Path.cwd(), Path(__file__).parents[1]
    if here != own:
        sys.path[:] = [entry for entry in sys.path if entry and Path(entry) != here]
