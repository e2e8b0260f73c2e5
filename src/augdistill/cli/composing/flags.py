"""The flags of commands that compose a config: Hydra's that are of use here, and what is said of any other."""

import re

from augdistill.base.checks import nearest
from augdistill.base.errors import RequestError
from augdistill.cli.words import FLAGS_WITH_VALUES, MULTIRUN

SHOWS = ("--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i")
FLAGS = (*SHOWS, "--resolve", "--run", "-r", *MULTIRUN, *FLAGS_WITH_VALUES)


def check_flags(words: list[str]) -> None:
    """Refuse flags that are none, and what Hydra would accept and silently not do, or do by loading a pickle."""
    for index, word in enumerate(words):
        flag, _, value = word.partition("=")
        if flag.startswith("--experimental-rerun"):
            raise RequestError("--experimental-rerun loads a pickle and is not allowed: repeat the command itself")
        if re.match(r"--config-path|-cp|[+~]*hydra\.searchpath", word):
            what = "--config-path and hydra.searchpath are not allowed"
            raise RequestError(f"{what}: add configs with --config-dir FOLDER")
        if flag in ("--shell-completion", "-sc"):
            what = "--shell-completion is Hydra's and completes nothing here"
            raise RequestError(f"{what}: type augdistill completion bash")
        if flag.startswith("-") and flag not in FLAGS:
            raise RequestError(about(flag, value or plain_word(words[index + 1 :])))
    if {*words}.isdisjoint(MULTIRUN) and any(word.lstrip("+").startswith("hydra/launcher=") for word in words):
        raise RequestError("hydra/launcher has an effect in sweeps only: add -m")


def about(flag: str, value: str) -> str:
    """Return what is said of a flag that is none, typed with this value or with none: ""."""
    name = flag.lstrip("-").replace("-", "_")
    if name == "dry_run":
        return "--dry-run is of study, and of runs remove: this command has none"
    if value:
        return f"{flag} is no flag: type {name}={value} without dashes"
    return f"{flag} is no flag{nearest(flag, FLAGS)}: values are written KEY=VALUE, as in seed=3"


def plain_word(words: list[str]) -> str:
    """Return the first of some words if it is neither a flag nor KEY=VALUE."""
    return words[0] if words and "=" not in words[0] and not words[0].startswith("-") else ""
