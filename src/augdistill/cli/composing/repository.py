"""The configs that a composition may load: from their own folders, a finite number, what is short written out."""

from pathlib import Path
from typing import Any

from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra.core.default_element import InputDefault
from hydra.core.override_parser.types import Override, OverrideType
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from augdistill.base.errors import ConfigError
from augdistill.cli.composing.shorthand import (
    AUGS,
    STUDENTS,
    Choices,
    Words,
    as_students,
    stacked,
    with_places,
    write_out,
)
from augdistill.config.folders import is_inside

RECHOSEN = ("dataset", "teacher")  # what GROUP@study.GROUP=NAME chooses in place of a study's file
MAX_LOADS = 10_000  # configs that one composition may ask for: defaults can name each other without end


def words_about(command: str | None, words: list[Override]) -> Words:
    """Return what words say of a study's students and strategies."""
    students, augs, chosen, taken = None, {}, {}, []
    for word in words if command == "study" else ():
        if word.type is not OverrideType.CHANGE or word.is_sweep_override():
            continue
        if word.key_or_group in RECHOSEN and word.package == f"study.{word.key_or_group}":
            chosen[word.key_or_group] = str(word.value())
        if word.key_or_group == "student" and (word.package or "").startswith(f"{STUDENTS}."):
            chosen[str(word.package).removeprefix("study.")] = str(word.value())
        if word.package is not None:
            continue
        group, _, key = word.key_or_group.partition(".")
        if group == "study" and key in AUGS:
            augs[key] = word.value()
        if word.key_or_group == STUDENTS and (named := as_students(STUDENTS, word.value())) is not None:
            students = named
            taken.append(str(word.input_line))
    return Words(students, augs, chosen, tuple(taken))


def check_students(composed: DictConfig, said: Words) -> None:
    """Raise ConfigError for students that are asked for and that the study's file does not leave to the asker."""
    found = OmegaConf.select(composed, STUDENTS)
    if said.students is not None and (not isinstance(found, DictConfig) or {*found} != {*said.students}):
        asked = f"{STUDENTS}=[{','.join(said.students)}]"
        raise ConfigError(f"{asked}: the study's file lists students among its defaults; write students: [lenet] there")


class InsideRepository(CachingConfigRepository):
    """The configs of a search path, none of which lies outside it, by name, and of which there is an end.

    What is written short in them is written out.
    """

    def __init__(self, made: CachingConfigRepository, said: Words) -> None:
        self.delegate, self.cache = made.delegate, made.cache
        self.said = said
        self.loads = 0
        self.written_out: dict[str, ConfigResult | None] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return a config; raises ConfigError for a name that leads elsewhere."""
        self.loads += 1
        if self.loads > MAX_LOADS:
            raise ConfigError(f"{config_path}: the defaults of configs name each other without end")
        if not is_inside(config_path):
            raise ConfigError(f"{config_path} is refused: the name of a config leads to its own folder, without ..")
        if config_path not in self.written_out:
            self.written_out[config_path] = self.write_out(config_path, super().load_config(config_path))
        return self.written_out[config_path]

    def write_out(self, config_path: str, found: ConfigResult | None) -> ConfigResult | None:
        """Return a config with what is short in it written out: a study's choices, a stack of strategies."""
        group, _, name = config_path.partition("/")
        if group == "aug" and found is None and (parts := stacked(name)):
            found = ConfigResult(
                config=OmegaConf.create({}), path="stack://", provider="augdistill", header={"package": None}
            )
            found.defaults_list = self.defaults(config_path, [f"/aug/{part}@_here_" for part in parts])
        if group != "study" or found is None or not isinstance(found.config, DictConfig):
            return found
        values: Any = OmegaConf.to_container(found.config, resolve=False)
        if not found.defaults_list and found.header.get("package") in (None, "study"):
            choices = Choices(self.get_group_options, self.keys, self.is_own)
            defaults, values = write_out(name.rpartition("/")[2], values, self.said, choices)
            found.defaults_list = self.defaults(config_path, defaults)
        elif self.said.students is not None and isinstance(values.get("students"), dict):
            values["students"] = {
                key: values["students"][key] for key in self.said.students if key in values["students"]
            }
        found.config = OmegaConf.create(with_places(values, Path(found.path.partition("://")[2])))
        return found

    def defaults(self, config_path: str, entries: list[Any]) -> list[InputDefault]:
        """Return a list of defaults as Hydra has them."""
        assert isinstance(self.delegate, ConfigRepository)
        return self.delegate._create_defaults_list(config_path, OmegaConf.create(entries))

    def keys(self, config_path: str) -> list[str]:
        """Return the keys of a config that there is."""
        found = self.load_config(config_path)
        return [] if found is None else [str(key) for key in found.config]

    def is_own(self, config_path: str) -> bool:
        """Return whether a config lies in the folder that --config-dir names."""
        source = next((source for source in self.get_sources() if source.is_config(config_path)), None)
        return source is not None and source.provider == "command-line"
