"""What Python asks for, composed and done as the command line does it: keyword arguments are the words of a command."""

from collections.abc import Iterator, Mapping
from typing import Any

from augdistill.base.errors import ConfigError, RequestError
from augdistill.config import Config
from augdistill.config.places import SECOND_PLACES


def composed(command: str, overrides: tuple[str, ...], choices: Mapping[str, Any]) -> Config:
    """Return the config of a command for overrides, KEY=VALUE as they are typed, and for keyword arguments.

    `aug="cutmix"` chooses, `optim={"epochs": 5}` changes values below a key. Raises ConfigError, in one line.
    """
    from augdistill.cli.words import as_overrides

    words = [*overrides, *(word for key, value in choices.items() for word in words_of(key, value))]
    if flag := next((word for word in words if word.startswith("-")), None):
        raise RequestError(f"{flag} is a flag, and there are none in Python: KEY=VALUE, or keyword arguments")
    written = as_overrides(command, words)
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from augdistill.cli.composing import compose
    from augdistill.cli.main import as_config
    from augdistill.cli.refusals import one_line

    try:
        compose.check_words(written)
        return as_config(compose.composed(command, written, None))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(command, error, dict(zip(written, words, strict=True)))) from None


def words_of(key: str, value: object) -> Iterator[str]:
    """Yield the words that a keyword argument stands for: one, or of a mapping one for each value below the key."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from words_of(f"{key}.{name}", inner)
        return
    group = SECOND_PLACES.get(key)
    yield f"{key if group is None else f'{group}@{key}'}={as_typed(value)}"


def as_typed(value: object) -> str:
    """Return a value as it is typed after KEY=."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(as_typed, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{as_typed(inner)}" for key, inner in value.items()) + "}"
    return str(value)
