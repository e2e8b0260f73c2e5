"""Where configs are looked for: this program's folder, those of plugins, and one that came from elsewhere."""

from dataclasses import replace
from pathlib import Path

from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from augdistill import plugins
from augdistill.base.errors import ConfigError
from augdistill.config import conf_dir
from augdistill.config.folders import is_inside, read_plain
from augdistill.config.places import OF_MODELS, OF_PLUGINS, shared_recipes


class PlainSource(FileConfigSource):
    """A folder of configs that came from elsewhere."""

    @staticmethod
    def scheme() -> str:
        return "plain"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a config of plain values; raises ConfigError for any other."""
        text = read_plain(Path(self.path), self._normalize_file_name(config_path))
        try:
            config = OmegaConf.create(text)
        except Exception as error:  # a key twice, a key that is none, a number too large
            raise ConfigError(f"{self.path}/{config_path} is refused: {one_line(error)}") from None
        header = self._get_header_dict(text)
        return ConfigResult(config=config, path=f"plain://{self.path}", provider=self.provider, header=header)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names in a group; nothing of a group that lies outside."""
        inside = (Path(self.path) / config_path).resolve().is_relative_to(Path(self.path).resolve())
        return super().list(config_path, results_filter) if inside and is_inside(config_path) else []


class ModelsSource(FileConfigSource):
    """The choices that have no file of their own: the models of conf/models.yaml, and their recipes by their names."""

    @staticmethod
    def scheme() -> str:
        return "models"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a model by its name, or the recipe that it shares."""
        group, _, model = config_path.removesuffix(".yaml").partition("/")
        if group == "optim":
            return super().load_config(f"optim/{shared_recipes()[model]}")
        return ConfigResult(
            config=OmegaConf.create({"name": model}),
            path=f"models://{self.path}/{config_path}",
            provider=self.provider,
            header={"package": None},
        )

    def is_config(self, config_path: str) -> bool:
        """Return whether there is such a choice."""
        group, _, model = config_path.removesuffix(".yaml").partition("/")
        return self.is_group(group) and bool(group) and model in shared_recipes()

    def is_group(self, config_path: str) -> bool:
        """Return whether a group has such choices."""
        return config_path in ("", "optim", *OF_MODELS)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the models, in each of their groups."""
        if not config_path or results_filter == ObjectType.GROUP or not self.is_group(config_path):
            return []
        return sorted(shared_recipes())


class PluginSource(PlainSource):
    """The configs that a plugin adds to our groups: its `aug/randaugment.yaml` is the choice mypkg/randaugment there.

    They are as those of any other folder, but for where they stand: none can take the place of a choice of ours.
    """

    @staticmethod
    def scheme() -> str:
        return "plugin"

    def inner(self, config_path: str) -> str | None:
        """Return what the folder calls the config GROUP/PREFIX/NAME; None for any other name."""
        group, _, choice = config_path.removesuffix(".yaml").partition("/")
        prefix, _, name = choice.partition("/")
        is_own = group in OF_PLUGINS and prefix == self.provider and plugins.NAME.fullmatch(name)
        return f"{group}/{name}" if is_own else None

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a config of plain values; raises ConfigError for any other."""
        inner = self.inner(config_path)
        assert inner is not None, "Hydra asks for what is there"
        found = super().load_config(inner)
        group = inner.partition("/")[0]
        return replace(found, header={**found.header, "package": found.header.get("package") or group})

    def is_config(self, config_path: str) -> bool:
        """Return whether there is the config GROUP/PREFIX/NAME."""
        inner = self.inner(config_path)
        return inner is not None and super().is_config(inner)

    def is_group(self, config_path: str) -> bool:
        """Return whether the plugin adds to a group."""
        group = config_path.removesuffix(f"/{self.provider}")
        return group in ("", *OF_PLUGINS) and super().is_group(group)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names that it adds to a group, to GROUP/PREFIX without the prefix; its groups are ours."""
        if not config_path or results_filter == ObjectType.GROUP or not self.is_group(config_path):
            return []
        group = config_path.removesuffix(f"/{self.provider}")
        prefix = f"{self.provider}/" if group == config_path else ""
        stems = (path.stem for path in (Path(self.path) / group).glob("*.yaml"))
        return sorted(f"{prefix}{stem}" for stem in stems if plugins.NAME.fullmatch(stem))


def search_path(folder: str | None) -> ConfigSearchPathImpl:
    """Return where configs are looked for: Hydra's own, this program's, those of plugins, then those of a folder."""
    path = create_config_search_path(str(conf_dir()))
    SourcesRegistry.instance().register(ModelsSource)
    path.prepend(
        "models", f"models://{conf_dir()}", SearchPathQuery(provider="schema")
    )  # after our files, which say more
    SourcesRegistry.instance().register(PluginSource)
    for prefix, plugin in plugins.installed().items():
        if plugin.conf:
            path.prepend(prefix, f"plugin://{plugin.conf}", SearchPathQuery(provider="schema"))
    if folder is not None:
        SourcesRegistry.instance().register(PlainSource)
        path.prepend("command-line", f"plain://{Path(folder).resolve()}", SearchPathQuery(provider="schema"))
    assert isinstance(path, ConfigSearchPathImpl)
    return path


def one_line(error: Exception) -> str:
    """Return what an error says in one line, with its kind where that is little."""
    return " ".join(f"{type(error).__name__} {error}".split())[:160]
