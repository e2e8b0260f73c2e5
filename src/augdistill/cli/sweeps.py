"""All jobs of a sweep are looked at before the first one runs, so that a wrong value leaves nothing behind."""

from pathlib import Path

from augdistill.cli.main import as_config
from augdistill.cli.words import FLAGS_WITH_VALUES, quoted
from augdistill.config import Config, conf_dir
from augdistill.errors import as_work_error


def refuse_jobs(command: str, words: list[str], folders: list[Path]) -> None:
    """Raise the RequestError of the first job that is refused for what can be known now; writes no file but the cache.

    `words` are the command's, as Hydra is given them, `folders` those of configs beside ours. What another machine or a
    sweeper that chooses its own values decides is not known yet.
    """
    overrides = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and before not in FLAGS_WITH_VALUES
    ]
    chosen = {word.lstrip("+").partition("=")[0] for word in overrides}
    if "hydra/sweeper" in chosen:
        return
    from augdistill import commands

    configs = composed(command, overrides, folders)
    with as_work_error():
        for config in configs:
            commands.refuse(command, dict(config))
        for config in configs if "hydra/launcher" not in chosen else []:  # elsewhere, another machine's data are read
            commands.refuse_here(command, dict(config))


def composed(command: str, overrides: list[str], folders: list[Path]) -> list[Config]:
    """Return the config of every job of a sweep."""
    import hydra
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (jobs,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(overrides), max_batch_size=None)
    places = ",".join(quoted(f"file://{folder.resolve()}") for folder in folders)
    beside = [f"hydra.searchpath=[{places}]"] if folders else []
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return [as_config(hydra.compose(command, [*job, *beside])) for job in jobs]
