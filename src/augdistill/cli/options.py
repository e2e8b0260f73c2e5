"""How commands that compose no config are typed: options as --NAME VALUE or as KEY=VALUE, and plain words."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from augdistill.base.checks import nearest
from augdistill.base.errors import ConfigError, RequestError
from augdistill.cli.words import expanded, split, unquoted

T = TypeVar("T")
KEY_VALUE = re.compile(r"([A-Za-z_][\w.]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Option:
    """What may be typed as KEY=VALUE; `reads` takes key and text and raises ConfigError for text that cannot be.

    `default` is text too. The flag is named after the key's last part. One without `help` is accepted and not shown.
    """

    key: str
    reads: Callable[[str, str], Any]
    default: str
    help: str = ""

    @property
    def flag(self) -> str:
        """How the option is typed as a flag."""
        return "--" + self.key.rpartition(".")[2].replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the flag takes no value: it turns on what is off."""
        return self.reads is truth and self.default == "false"

    @property
    def name(self) -> str:
        """How the command's function calls the option."""
        return self.key.replace(".", "_")


@dataclass(frozen=True)
class Command:
    """A command: what it does, its options, which of them plain words give in order, and how it is typed."""

    run: Callable[..., None]
    options: tuple[Option, ...]
    plain: tuple[str, ...] = ()
    usage: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


class Parser(argparse.ArgumentParser):
    """Raises RequestError for what it cannot read."""

    def error(self, message: str) -> NoReturn:
        """Raise RequestError."""
        raise RequestError(f"{message}: {self.prog} --help lists what there is")


def text(key: str, raw: str) -> str:
    """Return text as typed, without quotes around it, `~` at its start expanded."""
    return expanded(unquoted(raw))


def path(key: str, raw: str) -> Path:
    """Return a path as typed; "" is refused."""
    if not unquoted(raw):
        raise ConfigError(f"{key}= names no folder: type {key}=FOLDER")
    return Path(text(key, raw))


def texts(key: str, raw: str) -> list[str]:
    """Return the texts of "a", "a,b" or "[a,b]"."""
    within = raw[1:-1] if raw.startswith("[") and raw.endswith("]") else raw
    return [text(key, part.strip()) for part in split(within, brackets=False)]


def truth(key: str, raw: str) -> bool:
    """Return a truth value."""
    if raw.lower() not in ("true", "false"):
        raise ConfigError(f"{key}={raw} is no truth value: true or false")
    return raw.lower() == "true"


def or_null(reads: Callable[[str, str], T]) -> Callable[[str, str], T | None]:
    """Return what reads None of "null" and anything else as `reads` does."""
    return lambda key, raw: None if raw.lower() == "null" else reads(key, raw)


def seconds(key: str, raw: str) -> float:
    """Return a number of seconds, above 0 and below a day."""
    try:
        value = float(raw)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86400:
        raise ConfigError(f"{key}={raw} is out of range: seconds, above 0 and at most 86400")
    return value


def whole(key: str, raw: str) -> int:
    """Return a whole number."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", raw):
        raise ConfigError(f"{key}={raw} is no whole number")
    return int(raw)


def read(command: str, chosen: Command, words: Sequence[str]) -> dict[str, Any]:
    """Return the values of a command's options by name, as typed or by default; --help prints and ends the program.

    Raises RequestError for a word that the command does not have.
    """
    parser = parser_of(command, chosen)
    typed, unknown = parser.parse_known_intermixed_args(list(words))
    if unknown:
        flag = unknown[0].partition("=")[0]
        hint = nearest(flag, ["--help", *(option.flag for option in chosen.options)])
        raise RequestError(f"{flag} is no flag{hint}: {parser.prog} --help lists what there is")
    flags = {key: value for key, value in vars(typed).items() if key != "words"}
    given = {**flags, **from_words(command, chosen, typed.words)}
    return {option.name: option.reads(option.key, given.get(option.key, option.default)) for option in chosen.options}


def parser_of(command: str, chosen: Command) -> Parser:
    """Return what reads a command's flags and prints its --help."""
    parser = Parser(
        prog=f"augdistill {command}",
        usage=f"augdistill {command} {chosen.usage}",
        description=chosen.run.__doc__,
        epilog="Each option is a word KEY=VALUE too, as in 'outputs=my results'; values are taken as they are typed.",
        allow_abbrev=False,
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    for option in chosen.options:
        kind: dict[str, Any] = {"action": "store_const", "const": "true"} if option.is_switch else {"metavar": "VALUE"}
        told = f"{option.key}: {option.help} ({option.default})" if option.help else argparse.SUPPRESS
        told = told.replace("%", "%%")
        parser.add_argument(option.flag, dest=option.key, default=argparse.SUPPRESS, help=told, **kind)
    return parser


def from_words(command: str, chosen: Command, words: Sequence[str]) -> dict[str, str]:
    """Return what KEY=VALUE and plain words give, text by key."""
    keys = [option.key for option in chosen.options]
    found: dict[str, str] = {}
    plain: list[str] = []
    for word in words:
        typed = KEY_VALUE.fullmatch(word)
        if typed is None:
            plain.append(word)
            continue
        key = chosen.aliases.get(typed[1], typed[1])
        if key not in keys:
            raise ConfigError(
                f"{typed[1]} is not a key of {command}{nearest(typed[1], keys)}: known are {', '.join(keys)}"
            )
        found[key] = typed[2]
    if chosen.plain == ("studies",):
        return {"studies": ",".join(plain), **found} if plain else found
    if len(plain) > len(chosen.plain):
        allowed = " and ".join(chosen.plain) or "none"
        raise RequestError(f"too many words: {' '.join(plain)}; of plain words {allowed} are allowed")
    return found | dict(zip(chosen.plain, plain, strict=False))
