"""The command line: compose a config with Hydra, check it, hand plain dictionaries over. The only import of Hydra."""

import logging
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augdistill.errors import AugdistillError, ConfigError, RequestError

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger("augdistill")

COMMANDS = {
    "study": "everything: teachers, students, evaluations, table",
    "train-teacher": "train one teacher: aug=cutmix, 'aug=[flip-crop,cutmix]', seed=1",
    "distill": "distil one student from the teacher that the same choices made: student=lenet aug=cutmix",
    "evaluate": "evaluate every finished run that has no current evaluation",
    "runs": "list, show or remove runs",
    "data": "what datasets are there; fetch NAME gets one from its publisher",
    "doctor": "versions, device, precision, datasets, whether results can be written",
}
WITH_ACTIONS = {"runs": "list", "data": "status"}  # commands that take words: action and target


def main() -> None:
    """Run the command line and exit: 0 done, 1 something failed, 2 the request was wrong, 143 stopped by a signal."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        raise SystemExit(0 if words else 2)
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"augdistill {version('augdistill')}")
        return
    try:
        dispatch(words[0], words[1:])
    except AugdistillError as error:
        print(f"augdistill {words[0]}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print(f"augdistill {words[0]}: interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None


def usage() -> str:
    """Return what `augdistill --help` prints."""
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        "augdistill: what does a teacher's data augmentation do to the students distilled from it?\n\n"
        f"usage: augdistill COMMAND [KEY=VALUE ...] [-m] [--cfg job] [--help]\n\n{lines}\n\n"
        "augdistill COMMAND --help lists a command's groups and values."
    )


def dispatch(command: str, words: list[str]) -> None:
    """Run one command under Hydra, turning Hydra's own errors into one line."""
    from augdistill.config import conf_dir, one_of

    one_of("the command", command, COMMANDS)
    if command in WITH_ACTIONS:
        words = with_actions(words)
    refuse_traps(words)
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    sys.argv = [f"augdistill {command}", *words]
    shows_all = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing them and exiting
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=command)(tasks(command))()
    except (HydraException, OmegaConfBaseException) as error:
        if shows_all:
            raise
        raise ConfigError(one_line(command, error, words)) from None


def with_actions(words: list[str]) -> list[str]:
    """Return `words` with the plain ones, as in `runs show NAME`, written as overrides."""
    plain = [word for word in words if "=" not in word and not word.startswith("-")]
    if len(plain) > 2:
        raise RequestError(f"too many words: {' '.join(plain)}; an action and a name are allowed")
    named = [f"{key}={word}" for key, word in zip(("action", "target"), plain, strict=False)]
    return [word for word in words if word not in plain] + named


def refuse_traps(words: list[str]) -> None:
    """Refuse what Hydra would accept and silently not do, or do by loading a pickle."""
    if any(word.startswith("--experimental-rerun") for word in words):
        raise RequestError("--experimental-rerun loads a pickle and is not allowed: repeat the command itself")
    sweeping = any(word in ("-m", "--multirun") for word in words)
    if not sweeping and any(word.startswith("hydra/launcher=") for word in words):
        raise RequestError("hydra/launcher has an effect in sweeps only: add -m")


def one_line(command: str, error: Exception, words: list[str]) -> str:
    """Return one line for an error of Hydra's or OmegaConf's: what was wrong, what is allowed."""
    from augdistill.config import nearest

    text = str(error)
    group = re.search(r"Could not find '([^']+)/([^'/]+)'\n+Available options in '[^']+':\n((?:\t.*\n?)+)", text)
    if group:
        name, choice, options = group[1], group[2], group[3].split()
        return f"{name}={choice} is unknown{nearest(choice, options)}: choose one of {', '.join(options)}"
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        known = known_keys(command, words)
        siblings = [other for other in known if other.rpartition(".")[0] == key[1].rpartition(".")[0]]
        there = ", ".join(siblings) or ", ".join(other for other in known if "." not in other)
        return f"{key[1]} is not a config key{nearest(key[1], known)}: known there are {there}"
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ else ""
    return " ".join(text.split("\n\n")[0].split()) + cause


def known_keys(command: str, words: list[str]) -> list[str]:
    """Return every key of the command's config, dotted, with the groups that `words` choose."""
    import hydra

    from augdistill.config import conf_dir

    chosen = [word for word in words if re.fullmatch(r"[\w@/-]+=[^,=]+", word)]
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for overrides in (chosen, []):
            try:
                return dotted("", hydra.compose(command, overrides))
            except Exception:
                continue
    return []


def dotted(prefix: str, node: Any) -> list[str]:
    """Return the keys below `node`, groups before what is in them, joined with dots."""
    from omegaconf import DictConfig

    keys = []
    for key in node:
        keys.append(f"{prefix}{key}")
        value = node._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            keys += dotted(f"{prefix}{key}.", value)
    return keys


def tasks(command: str) -> "Callable[[DictConfig], None]":
    """Return the function that Hydra calls with the composed config; what it needs is imported then."""

    def task(composed: "DictConfig") -> None:
        from omegaconf import OmegaConf

        from augdistill import commands

        config = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
        assert isinstance(config, dict)
        run: Callable[[dict[str, Any]], None] = getattr(commands, command.replace("-", "_"))
        run({str(key): value for key, value in config.items()})

    return task


def compose(command: str, overrides: list[str]) -> dict[str, Any]:
    """Return another command's config, composed with Hydra while a command is running."""
    import hydra
    from omegaconf import OmegaConf

    config = OmegaConf.to_container(hydra.compose(command, overrides), resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


if __name__ == "__main__":
    main()
