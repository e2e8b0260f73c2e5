"""What other installed packages add: strategies, models, datasets, losses, metrics and figures, under a prefix.

A package names its `Plugin` in the entry point group `augdistill.plugins`, under the prefix that its names then have:
`mypkg = "mypkg:plugin"` makes of the strategy `randaugment` what everybody calls `mypkg/randaugment`. Its configs are
the YAML files of `conf/` in that package. This is the one place that imports code by a name that is not written here,
and the name comes from the metadata of installed packages alone: never from a config, a run's folder or a study.

Which plugins there are, and their configs, is known from metadata; a plugin is imported when something of it is needed.
"""

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from augdistill.base.checks import is_prefixed, one_of
from augdistill.base.errors import AugdistillError, ConfigError
from augdistill.base.text import pluralise, printable_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

log = logging.getLogger("augdistill")

T = TypeVar("T")

GROUP = "augdistill.plugins"
TABLES = {
    "strategies": "strategy",
    "models": "model",
    "datasets": "dataset",
    "losses": "loss",
    "metrics": "metric",
    "figures": "figure",
}  # of a plugin -> one of their entries
PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,31}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # without "+", "." and "/", which join names


@dataclass(frozen=True)
class Plugin:
    """What a package adds, by names without the prefix; an entry is what the table of the same kind here holds.

    `name` is the prefix. `version` is part of the identity of every run that uses the plugin: raise it when results
    change, as releases of the package alone do not. Raises ConfigError for a name that cannot be.
    """

    name: str
    version: str
    strategies: Mapping[str, Any] = field(default_factory=dict)
    """`augdistill.augment.Augmentation`, by name"""
    models: Mapping[str, Any] = field(default_factory=dict)
    """what `augdistill.models.MODELS` holds"""
    datasets: Mapping[str, Any] = field(default_factory=dict)
    """modules or objects with the members of `augdistill.data.Dataset`"""
    losses: Mapping[str, Any] = field(default_factory=dict)
    """what `augdistill.losses.LOSSES` holds"""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """`augdistill.metrics.Metric`"""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """what `augdistill.report.figures.FIGURES` holds"""

    def __post_init__(self) -> None:
        check_prefix(self.name)
        if not isinstance(self.version, str) or not NAME.fullmatch(self.version.replace(".", "-")):
            raise ConfigError(f"the plugin {self.name} has the version {self.version!r}: text is allowed, as in '1.0'")
        for table in TABLES:
            for name in getattr(self, table):
                if not isinstance(name, str) or not NAME.fullmatch(name):
                    raise ConfigError(
                        f"the plugin {self.name} calls one of its {table} {str(name)[:80]!r}: letters, digits, - and _ "
                        "are allowed, and the prefix stays out"
                    )

    def summary(self) -> str:
        """Return what it adds, in words: 1 strategy, 2 models."""
        sizes = {table: len(getattr(self, table)) for table in TABLES}
        words = [f"{sizes[table]} {TABLES[table] if sizes[table] == 1 else table}" for table in TABLES if sizes[table]]
        return ", ".join(words) or "no entries"


def check_prefix(prefix: str) -> None:
    """Raise ConfigError for a prefix that no plugin can have."""
    if not PREFIX.fullmatch(prefix):
        raise ConfigError(f"a plugin calls itself {prefix[:80]!r}: lower-case letters, digits, - and _ are allowed")


@dataclass(frozen=True)
class Installed:
    """What the metadata of a package tell of its plugin, which is not imported for it; `fault` says why it cannot be.

    `version` is that of the distribution.
    """

    prefix: str
    entry: "EntryPoint"
    distribution: str
    version: str
    fault: str = ""

    @property
    def title(self) -> str:
        """The plugin and where it comes from, as messages name it."""
        return f"the plugin {self.prefix} ({self.distribution} {self.version})"

    @property
    def is_imported(self) -> bool:
        """Whether this process has imported its module."""
        return self.entry.module in sys.modules

    @property
    def conf(self) -> Path | None:
        """The folder of its configs, `conf` in the package that the entry point names; None where there is none."""
        return None if self.fault else folder_of(self.entry.module.partition(".")[0])


@cache
def folder_of(package: str) -> Path | None:
    """Return the folder `conf` of a package, which is found and not imported."""
    from importlib.util import find_spec

    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    places = (spec.submodule_search_locations or ()) if spec else ()
    return next((folder for folder in (Path(place) / "conf" for place in places) if folder.is_dir()), None)


@cache
def installed() -> Mapping[str, Installed]:
    """Return the plugins that the packages of this environment name, by their prefix."""
    from importlib.metadata import entry_points

    found: dict[str, Installed] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.dist.name if each.dist else "")):
        name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("?", "?")
        fault = ""
        try:
            check_prefix(entry.name)
        except ConfigError as error:
            fault = f"{error} ({name} {version})"
        if entry.name in found:
            both = f"{found[entry.name].distribution} and {name}"
            fault = f"two packages have a plugin {entry.name}, {both}: pip uninstall one of them"
        found[entry.name] = Installed(entry.name, entry, name, version, fault)
    return found


def load(prefix: str) -> Plugin:
    """Return an installed plugin, imported at the first call; ConfigError, in one line, where that cannot be."""
    found = imported(prefix)
    if isinstance(found, str):
        raise ConfigError(found)
    return found


@cache
def imported(prefix: str) -> Plugin | str:
    """Return an installed plugin, or in one line why it cannot be used: a plugin's code may do anything."""
    found = installed()[prefix]
    if found.fault:
        return found.fault
    try:
        plugin = found.entry.load()
    except AugdistillError as error:
        return f"{found.title} cannot be used: {error}"
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        return printable_line(f"{found.title} cannot be imported: {type(error).__name__}: {str(error)[:300]}")
    if not isinstance(plugin, Plugin):
        return f"{found.title} cannot be used: {found.entry.value} is a {type(plugin).__name__}, no Plugin"
    if plugin.name != prefix:
        return f"{found.title} cannot be used: it calls itself {plugin.name}, its entry point {prefix}"
    return plugin


def usable() -> Iterator[Plugin]:
    """Yield every plugin that can be imported; a warning, once, tells of each other one."""
    for prefix in installed():
        found = imported(prefix)
        if isinstance(found, str):
            warn(found)
        else:
            yield found


@cache
def warn(fault: str) -> None:
    """Warn of a plugin that cannot be used, once."""
    log.warning("%s; what does not need it goes on", fault)


def stated_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions that the plugins state of which something is named, by prefix; raises ConfigError."""
    used = {prefix: name for name in names for prefix, slash, _ in [name.partition("/")] if slash}
    for prefix, name in used.items():
        if prefix not in installed():
            raise ConfigError(absent(name))
    return {prefix: load(prefix).version for prefix in sorted(used)}


def absent(name: str) -> str:
    """Return what to say of a name whose plugin is not here."""
    prefix = name.partition("/")[0]
    return f"{name} needs the plugin {prefix}, which is not installed here: pip install the package that adds it"


def distributions(*, all_installed: bool = False) -> dict[str, str]:
    """Return the distributions, with versions, of the plugins that this process has imported, or of all."""
    chosen = [found for found in installed().values() if all_installed or found.is_imported]
    return {found.distribution: found.version for found in chosen}


def report() -> list[tuple[str, str]]:
    """Return each plugin's prefix, and its version, entries, configs and package, or what is wrong with it."""
    lines = []
    for prefix, found in installed().items():
        plugin = told = imported(prefix)
        if isinstance(plugin, Plugin):
            configs = pluralise(len(list(found.conf.glob("*/*.yaml"))) if found.conf else 0, "config")
            told = f"{plugin.version}: {plugin.summary()}, {configs} ({found.distribution} {found.version})"
        lines.append((prefix, str(told)))
    return lines


class Table(Mapping[str, T]):
    """The entries of one kind by name: our own, and under their prefixes those of plugins.

    `in` and `get` are quiet about a plugin that is missing or broken; `[...]` and `find` refuse its names in one line.
    """

    def __init__(self, kind: str, own: Mapping[str, T] | None = None) -> None:
        """Hold our own entries; `kind` is what a `Plugin` calls such a table."""
        assert kind in TABLES
        self.kind, self.own = kind, dict(own or {})

    def __or__(self, own: Mapping[str, T]) -> "Table[T]":
        """Return a table that also has these entries of our own."""
        return Table(self.kind, {**self.own, **own})

    def __getitem__(self, name: str) -> T:
        if name in self.own or not is_prefixed(name):
            return self.own[name]
        prefix, _, rest = name.partition("/")
        if prefix not in installed():
            raise ConfigError(absent(name))
        entry: T = getattr(load(prefix), self.kind)[rest]
        return entry

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """Return an entry, `default` where there is none or its plugin cannot be used."""
        try:
            return self[name]
        except (KeyError, ConfigError):
            return default

    def find(self, key: str, name: str) -> T:
        """Return an entry; raises ConfigError, naming the `key` that holds the name, where there is none."""
        try:
            return self[name]
        except KeyError:
            one_of(key, name, self)
            raise

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        for plugin in usable():
            yield from (f"{plugin.name}/{name}" for name in getattr(plugin, self.kind))

    def __len__(self) -> int:
        return sum(1 for _ in self)
