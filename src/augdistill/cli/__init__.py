"""The command line: what is typed, checked and handed over as plain values. The only room that imports Hydra."""

from augdistill.cli.main import main

__all__ = ["main"]
