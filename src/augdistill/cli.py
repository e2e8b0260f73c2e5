"""The command line: compose a config with Hydra, check it, hand plain dictionaries over."""

import logging
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augdistill.errors import AugdistillError, ConfigError, RequestError, StoppedError, as_work_error
from augdistill.safepath import leave_out_current_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger("augdistill")

COMMANDS = {
    "study": "everything: teachers, students, evaluations, a page: study=NAME",
    "train-teacher": "train one teacher: aug=cutmix, 'aug=[flip-crop,cutmix]', seed=1",
    "distill": "distil one student from that teacher: student=lenet aug=cutmix",
    "evaluate": "evaluate every finished run that has no current evaluation",
    "runs": "list, show, verify (checksums) or remove runs",
    "data": "what datasets are there; fetch NAME gets one",
    "report": "a study's tables, figures and verdicts again: study=NAME",
    "compare": "any two arms of a study: STUDY --a ARM --b ARM",
    "doctor": "versions, device, datasets, whether results can be written",
}
WITH_ACTIONS = ("runs", "data")  # commands that take words: action and target
WITHOUT_GROUPS = (*WITH_ACTIONS, "report", "compare", "doctor")  # whose --help has no choices to list
PLAIN_HELP = "${hydra.help.header}\n\nConfig:\n\n$CONFIG\n\nChange any value with KEY=VALUE."
FLAGS = (
    *("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m"),
    *("--shell-completion", "-sc", "--info", "-i"),
)
FLAGS_WITH_VALUES = (
    "--cfg",
    "-c",
    "--package",
    "-p",
    "--config-path",
    "-cp",
    "--config-name",
    "-cn",
    "--config-dir",
    "-cd",
)


def main() -> None:
    """Run the command line and exit: 0 done, 1 something failed, 2 the request was wrong, 143 stopped by a signal."""
    leave_out_current_folder()
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
        from augdistill.schemas import printable

        print(printable(f"augdistill {words[0]}: {error}"), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: flush into nothing at exit
    except KeyboardInterrupt:
        print(f"augdistill {words[0]}: interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None


def usage() -> str:
    """Return what `augdistill --help` prints."""
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items())
    return (
        "augdistill: what a teacher's data augmentation does to its students\n\n"
        f"usage: augdistill COMMAND [KEY=VALUE ...] [-m] [--cfg job] [--help]\n\n{lines}\n\n"
        "augdistill COMMAND --help lists a command's groups and values."
    )


def dispatch(command: str, words: list[str]) -> None:
    """Run one command under Hydra, turning Hydra's own errors into one line."""
    from augdistill.config import nearest

    if command not in COMMANDS:
        raise RequestError(f"no such command{nearest(command, COMMANDS)}: there are {', '.join(COMMANDS)}")
    if command in WITH_ACTIONS:
        words = with_actions(words)
    if command == "compare":
        words = with_arms(words)
    if command in ("report", "compare"):  # Hydra takes `study` for the group of study files; these compose none
        words = [re.sub(r"^study=", "studies=", word) for word in words]
    if command == "study":  # where data lie is said alike in all commands
        words = [re.sub(r"^dataset\.(root|verify)=", r"study.dataset.\1=", word) for word in words]
    refuse_traps(words)
    if command in WITHOUT_GROUPS and not {"--help", "-h"}.isdisjoint(words):
        words = [f"hydra.help.template='{PLAIN_HELP}'", *words]
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from augdistill.composing import compose_and_run

    sys.argv = [f"augdistill {command}", *words]
    failures: list[AugdistillError] = []
    shows_all = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing them and exiting
    try:
        compose_and_run(command, words, task_of(command, failures))
    except (HydraException, OmegaConfBaseException) as error:
        if shows_all:
            raise
        raise ConfigError(one_line(command, error, words)) from None
    except SystemExit:  # a signal stopped a sweep; or a flag such as --help is done
        if not failures:
            raise
    if failures:
        raise max(failures, key=lambda failure: failure.exit_code)


def with_actions(words: list[str]) -> list[str]:
    """Return `words` with the plain ones, as in `runs show NAME`, written as overrides."""
    words = ["watch=true" if word == "--watch" else word for word in words]
    plain = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if "=" not in word and not word.startswith("-") and before not in FLAGS_WITH_VALUES
    ]
    if len(plain) > 2:
        raise RequestError(f"too many words: {' '.join(plain)}; an action and a name are allowed")
    named = [f"{key}={word}" for key, word in zip(("action", "target"), plain, strict=False)]
    return [*named, *(word for word in words if word not in plain)]  # before flags: argparse takes them in one piece


def with_arms(words: list[str]) -> list[str]:
    """Return `words` with a plain one as the study, and `--a ARM` and `--b ARM` as overrides, quoted."""
    rest: list[str] = []
    found: dict[str, str] = {}
    for before, word in zip(["", *words], words, strict=False):
        side, _, arm = word.partition("=")
        if before in ("--a", "--b"):
            found[before[2:]] = word
        elif side in ("--a", "--b") and arm:
            found[side[2:]] = arm
        elif "=" not in word and not word.startswith("-") and before not in FLAGS_WITH_VALUES:
            rest.append(f"studies={word}")
        elif word not in ("--a", "--b"):
            rest.append(word)
    quoted = {side: arm.replace("\\", "\\\\").replace("'", "\\'") for side, arm in found.items()}
    return [
        *(f"{side}='{arm}'" for side, arm in quoted.items()),
        *rest,
    ]  # before flags: argparse takes them in one piece


def refuse_traps(words: list[str]) -> None:
    """Refuse flags that are none, and what Hydra would accept and silently not do, or do by loading a pickle."""
    from augdistill.config import nearest

    if any(word.startswith("--experimental-rerun") for word in words):
        raise RequestError("--experimental-rerun loads a pickle and is not allowed: repeat the command itself")
    if any(re.match(r"--config-path|-cp|[+~]*hydra\.searchpath", word) for word in words):
        raise RequestError("--config-path and hydra.searchpath are not allowed: add configs with --config-dir FOLDER")
    flags = (word.partition("=")[0] for word in words if word.startswith("-"))
    if (unknown := next((flag for flag in flags if flag not in (*FLAGS, *FLAGS_WITH_VALUES)), None)) is not None:
        hint = nearest(unknown, (*FLAGS, *FLAGS_WITH_VALUES, "--watch", "--a", "--b"))
        raise RequestError(f"{unknown} is no flag{hint}: values are written KEY=VALUE, as in seed=3, without dashes")
    sweeping = any(word in ("-m", "--multirun") for word in words)
    if not sweeping and any(word.lstrip("+").startswith("hydra/launcher=") for word in words):
        raise RequestError("hydra/launcher has an effect in sweeps only: add -m")


def one_line(command: str, error: Exception, words: list[str]) -> str:
    """Return one line for an error of Hydra's or OmegaConf's: what was wrong, what is allowed."""
    from augdistill.config import conf_dir, nearest

    text = str(error)
    group = re.search(r"Could not find '([^']+)/([^'/]+)'\n+Available options in '[^']+':\n((?:\t.*\n?)+)", text)
    if group:
        name, choice, options = group[1], group[2], group[3].split()
        return f"{name}={choice} is unknown{nearest(choice, options)}: choose one of {', '.join(options)}"
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        known = known_keys(command, words)
        above = key[1].rpartition(".")[0]
        while above and above not in known:
            above = above.rpartition(".")[0]
        there = [other for other in known if other.rpartition(".")[0] == above]
        return f"{key[1]} is not a config key{nearest(key[1], known)}: known there are {', '.join(there) or 'none'}"
    several = re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text)
    if several:
        word = f"{several[1]}={several[2]}"
        return f"{word} are several values: add -m to run each in turn; '{several[1]}=[{several[2]}]' is a list"
    override = getattr(error, "override", None)
    if override is not None:
        groups = [path.parent.name for path in conf_dir().glob("*/*.yaml") if path.stem == override]
        meant = f" (did you mean {max(groups)}={override}?)" if groups else ""  # a model rather than its recipe
        return f"{override} is not an override{meant}: write KEY=VALUE, and quote lists, as in 'aug=[flip-crop,cutmix]'"
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ else ""
    return " ".join(text.split("\n\n")[0].split()) + cause


def known_keys(command: str, words: list[str]) -> list[str]:
    """Return every key of the command's config, dotted, with the groups that `words` choose."""
    import hydra
    from hydra.errors import HydraException

    from augdistill.config import conf_dir

    chosen = [word for word in words if re.fullmatch(r"[\w@/-]+=[^,=]+", word)]
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for overrides in (chosen, []):
            try:
                return dotted("", hydra.compose(command, overrides))
            except HydraException:
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


def task_of(command: str, failures: list[AugdistillError]) -> "Callable[[DictConfig], None]":
    """Return the function that Hydra calls with each composed config; what it needs is imported then.

    An error of ours goes to `failures`, so that a sweep goes on and Hydra adds no lines of its own; where Hydra runs
    the job in another process, it is raised.
    """

    def task(composed: "DictConfig") -> None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode
        from omegaconf import OmegaConf

        from augdistill import commands

        config = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
        assert isinstance(config, dict)
        run: Callable[[dict[str, Any]], None] = getattr(commands, command.replace("-", "_"))
        hydra_config = HydraConfig.get()
        is_here = "BasicLauncher" in hydra_config.launcher._target_
        sweeping = hydra_config.mode is RunMode.MULTIRUN
        try:
            with as_work_error():
                run({str(key): value for key, value in config.items()})
        except AugdistillError as error:
            if sweeping:
                log.error("job %s: %s", hydra_config.job.num, error)
            if not is_here:
                raise
            failures.append(error)
            if sweeping and isinstance(error, StoppedError):
                raise SystemExit from None  # an Exception would not keep Hydra from the next job

    return task


if __name__ == "__main__":
    main()
