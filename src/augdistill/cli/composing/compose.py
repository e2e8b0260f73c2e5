"""Composes a command's config with Hydra, and lets Hydra act on it only where nothing but this program set Hydra up.

Hydra makes objects, sets environment variables and starts programs as its own node of a config says, and that node can
be reached from any file in many ways. So it is composed twice: once with everything, and once from the packaged files
and those words of the command line that concern Hydra. Both must be the same, and so must the executor's settings.
That is seen before Hydra does anything, for the jobs of a sweep too, wherever they are composed.
"""

import re
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.hydra import Hydra
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from augdistill import plugins
from augdistill.base.errors import AugdistillError, ConfigError, RequestError
from augdistill.cli.composing.repository import InsideRepository, check_students, words_about
from augdistill.cli.composing.sources import one_line, search_path
from augdistill.config.folders import has_resolver

Task = Callable[[DictConfig], float | None]

ALLOWED = re.compile(r"hydra/(launcher|sweeper)|hydra\.(launcher|sweeper)(\.[A-Za-z]\w*)+|hydra\.(sweep\.dir|verbose)")
ALLOWED_ARE = "hydra/launcher, hydra/sweeper, their parameters, hydra.sweep.dir and hydra.verbose"
PROGRAMS = ("hydra", "executor")  # the nodes that decide what is started, and with which environment
OF_THE_CALL = {"runtime", "overrides"}  # of Hydra's node: where, when and from which words it was composed
MODES = ("hydra.mode=RUN", "hydra.mode=MULTIRUN")  # what -m stands for


def compose_and_run(command: str, words: list[str], task: Task) -> None:
    """Do what the words after a command ask for: run `task` on its config, sweep, or show the config or help.

    Raises ConfigError and RequestError, HydraException and OmegaConf's errors, all before anything is written; and
    what `task` raises.
    """
    flags = parse_flags(words)
    check_words(flags.overrides)
    version.setbase("1.3")
    hydra = Hydra("augdistill", PlainLoader(flags.config_dir))
    GlobalHydra.instance().initialize(hydra)
    try:
        if flags.help:
            hydra.app_help(command, get_args_parser(), flags)
        elif flags.hydra_help:
            hydra.hydra_help(command, get_args_parser(), flags)
        elif flags.cfg:
            hydra.show_cfg(command, flags.overrides, flags.cfg, flags.package, flags.resolve)
        elif flags.info:
            hydra.show_info(flags.info, command, flags.overrides)
        elif flags.multirun:
            hydra.multirun(command, task, [*flags.overrides, MODES[1]])
        else:
            hydra.run(command, task, [*flags.overrides, MODES[0]])
    finally:
        GlobalHydra.instance().clear()


def composed(command: str, overrides: list[str], folder: str | None) -> DictConfig:
    """Return the config of one job, with files of a folder if one is named, and without Hydra's own node."""
    version.setbase("1.3")
    config = PlainLoader(folder).load_configuration(command, [*overrides, MODES[0]], RunMode.RUN)
    with open_dict(config):
        del config["hydra"]
    return config


def parse_flags(words: list[str]) -> Namespace:
    """Return Hydra's flags and `overrides`, the words that are none; what is read here is what Hydra does."""

    def error(message: str) -> NoReturn:
        raise RequestError(f"{message}; values are written KEY=VALUE, all of them before or after the flags")

    parser = get_args_parser()
    parser.allow_abbrev = False
    parser.error = error  # type: ignore[method-assign]  # Hydra makes the parser, and argparse has no other way
    flags = parser.parse_args(words)
    if flags.config_path is not None or flags.config_name is not None or flags.experimental_rerun is not None:
        raise RequestError(
            "only --config-dir FOLDER adds configs: no --config-path, --config-name, --experimental-rerun"
        )
    if flags.config_dir is not None and not Path(flags.config_dir).is_dir():
        raise ConfigError(f"--config-dir {flags.config_dir} is not a folder")
    if flags.resolve and not (flags.cfg or flags.help):
        raise RequestError("--resolve goes with --cfg job, or with --help")
    modes = [flags.run, flags.multirun, flags.cfg, flags.info]
    if sum(bool(mode) for mode in modes) > 1:
        raise RequestError("one of --run, --multirun, --cfg and --info is allowed, not several")
    return flags


NAME = re.compile(r"((?:study\.)?(dataset|teacher|student|students\.[\w-]+))\.name")


def check_words(words: list[str]) -> list[Override]:
    """Return overrides parsed. Raises ConfigError for one that sets what of Hydra is not for the command line to set.

    Also for one that asks a resolver for something, that names an object to be made, or that changes the name alone of
    what a group chooses.
    """
    for word in words:
        if has_resolver(word):
            raise ConfigError(f"{word}: ${{...}} may name keys of the config, and no resolver: write the value itself")
    overrides: list[Override] = OverridesParser.create().parse_overrides(words)
    for override in overrides:
        key, word = override.key_or_group, str(override.input_line)
        if is_of("hydra", override.package or "") or (is_of("hydra", key) and not ALLOWED.fullmatch(key)):
            raise ConfigError(f"{word} changes Hydra itself: {ALLOWED_ARE} alone can be set")
        if is_of("hydra", key) and (override.is_delete() or names_object(override.value())):
            raise ConfigError(f"{word} is no parameter of a launcher or sweeper: write KEY=VALUE, a plain value")
        if override.package is None and (group := NAME.fullmatch(key)) is not None:
            place, folder = group[1], re.sub(r"^students\..*", "student", group[2])
            choose = place if place == folder else f"{folder}@{place}"
            name = word.partition("=")[2].strip("'")
            raise ConfigError(f"{key}={name} changes a name and leaves another's recipe: type {choose}={name}")
    return overrides


def is_of(node: str, key: str) -> bool:
    """Return whether a key, group or package is a node of the config, or in it."""
    return re.split(r"[./@:]", key, maxsplit=1)[0] == node


def names_object(value: Any) -> bool:
    """Return whether a value holds a key such as `_target_`, by which Hydra makes objects."""
    if isinstance(value, dict):
        return any(str(key).startswith("_") or names_object(each) for key, each in value.items())
    return isinstance(value, list) and any(map(names_object, value))


class PlainLoader(ConfigLoaderImpl):
    """Hydra's loader, which gives out a config only if nobody but this program and the command line set Hydra up."""

    expected: ClassVar[dict[tuple[str, ...], dict[str, Any]]] = {}

    def __init__(self, folder: str | None) -> None:
        self.folder = folder
        super().__init__(search_path(folder))

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Return a config as Hydra composes it; raises ConfigError as the module says."""
        parsed = check_words([word for word in overrides if word not in MODES])
        try:
            with warnings.catch_warnings(action="ignore"):  # what Hydra has to say of files in a folder
                composed = super().load_configuration(
                    config_name, overrides, run_mode, from_shell, validate_sweep_overrides
                )
            said = words_about(config_name, parsed)
            check_students(composed, said)
            composed.hydra.overrides.task.extend(said.taken)
            found = settings(composed)
        except (AugdistillError, HydraException, OmegaConfBaseException):
            raise
        except Exception as error:  # Hydra and OmegaConf meet what they do not expect
            if self.folder is None and isinstance(error, ValueError | TypeError | AttributeError):
                raise  # a word alone did it: which one is told where all words are known
            what = f"--config-dir {self.folder} and " if self.folder else ""
            raise ConfigError(f"{what}{' '.join(overrides)} make no config: {one_line(error)}") from error
        own = [str(word.input_line) for word in parsed if any(is_of(node, word.key_or_group) for node in PROGRAMS)]
        own += [word for word in overrides if word in MODES]
        if (wrong := difference(found, self.packaged(config_name, own, run_mode), "")) is not None:
            chosen = [each for name, each in plugins.installed().items() if f"{name}/" in " ".join(overrides)]
            folders = [str(self.folder)] if self.folder else [str(each.conf) for each in chosen]
            where = f"the files in {' and '.join(folders)} set" if folders else "the command line sets"
            raise ConfigError(f"{where} {wrong}: what is run, and how, is no value of a config; type it as a word")
        told = OmegaConf.to_container(composed.hydra.overrides, resolve=False)
        assert isinstance(told, dict)
        if sorted([*told["hydra"], *told["task"]]) != sorted(overrides):
            raise ConfigError(f"the files in {self.folder} set hydra.overrides: words come from the command line alone")
        check_words([f"{key}={value}" for key, value in (found["hydra"]["sweeper"].get("params") or {}).items()])
        return composed

    def packaged(self, config_name: str | None, words: list[str], run_mode: RunMode) -> dict[str, Any]:
        """Return the same settings of the packaged config, changed by words of the command line."""
        asked = (str(config_name), str(run_mode), *words)
        if asked not in self.expected:
            loader = ConfigLoaderImpl(search_path(None))
            self.expected[asked] = settings(loader.load_configuration(config_name, words, run_mode))
        return self.expected[asked]

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        parsed, made = super()._parse_overrides_and_create_caching_repo(config_name, overrides)
        said = words_about(config_name, parsed)
        kept = [word for word in parsed if word.input_line not in said.taken]
        return kept, InsideRepository(made, said)


def settings(composed: DictConfig) -> dict[str, Any]:
    """Return the nodes that decide what is started, as they were written."""
    found = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(found, dict)
    hydra = found.get("hydra")
    if not isinstance(hydra, dict) or not isinstance(hydra["job"], dict) or not isinstance(hydra["sweeper"], dict):
        raise ConfigError("hydra is changed by a config: it is set on the command line alone")
    del hydra["job"]["override_dirname"]
    kept = {key: value for key, value in hydra.items() if key not in OF_THE_CALL}
    return {"hydra": kept, "executor": found.get("executor")}


def difference(found: Any, expected: Any, key: str) -> str | None:
    """Return the first dotted key at which two nodes differ."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        same = type(found) is type(expected) and found == expected
        return None if same else key.removeprefix(".")
    keys = [*found, *(other for other in expected if other not in found)]
    nothing = object()
    below = (difference(found.get(name, nothing), expected.get(name, nothing), f"{key}.{name}") for name in keys)
    return next((wrong for wrong in below if wrong is not None), None)
