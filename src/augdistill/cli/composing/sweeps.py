"""All jobs of a sweep are looked at before the first one runs, so that a wrong value leaves nothing behind."""

from augdistill.base.errors import as_work_error
from augdistill.cli.composing.compose import check_words, composed, parse_flags
from augdistill.cli.main import as_config
from augdistill.config import Config


def validate_jobs(command: str, words: list[str]) -> None:
    """Raise the RequestError of the first job that is refused for what can be known now; writes no file but the cache.

    `words` are the command's, as Hydra is given them. What another machine or a sweeper that chooses its own values
    decides is not known yet.
    """
    flags = parse_flags(words)
    chosen = {word.lstrip("+").partition("=")[0] for word in flags.overrides}
    if "hydra/sweeper" in chosen:
        return
    from augdistill.cli import commands

    configs = jobs_of(command, flags.overrides, flags.config_dir)
    with as_work_error():
        for config in configs:
            commands.validate(command, dict(config))
        for config in configs if "hydra/launcher" not in chosen else []:  # elsewhere, another machine's data are read
            commands.validate_here(command, dict(config))


def jobs_of(command: str, overrides: list[str], folder: str | None) -> list[Config]:
    """Return the config of every job of a sweep."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    (jobs,) = BasicSweeper.split_arguments(check_words(overrides), max_batch_size=None)
    return [as_config(composed(command, job, folder)) for job in jobs]
