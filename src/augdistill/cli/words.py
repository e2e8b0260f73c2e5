"""The words of a command as people type them, written so that Hydra's grammar of overrides reads the same.

Text stays text: what is typed for a key whose type is text is quoted before Hydra sees it, which would make a number
of 2024_11_29 and refuse a name with a quote or `=` in it. Which keys are text is read from the files of `conf/`.
"""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no types are published

from augdistill.base.checks import check_keys
from augdistill.base.errors import ConfigError, RequestError
from augdistill.config import SECOND_PLACES, choices, conf_dir, parameters
from augdistill.config.places import files

NULL_TEXT = {  # what is null in `conf/`, where nothing else says that it stands for text
    "run",
    "predictions",
    "source",
    "name",
    "weights",
    "architecture",
    "dataset.path",
    "distillation.teacher",
    "executor.address",
    "executor.teacher.partition",
    "executor.student.partition",
    "study.claims_file",
    "study.question",
}
WORD_OR_NUMBER = {"executor.bank"}  # a word in `conf/`, and a number where somebody wants one
LITERALS = {"text": (), "null or text": ("null",), "option": ("null", "true", "false")}  # kind -> what is no text
OVERRIDE = re.compile(r"(\+\+|\+|~|)([^=]+)=(.*)", re.DOTALL)
QUOTED = r"'(?:\\.|[^\\'])*'|\"(?:\\.|[^\\\"])*\""
FUNCTION = re.compile(r"(?:choice|range|interval|glob|sort|shuffle)\(.*\)", re.DOTALL)  # of Hydra's, in sweeps
PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")  # which Hydra's grammar reads in any case
OF_PREFIXED = re.compile(r"((?:student_)?aug\.ops)\.([\w-]+/[\w-]+)\.(\w+)")  # a parameter of a plugin's strategy
EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")  # 5e-4, a number to Hydra, is text to YAML 1.1
KEY_PART = re.compile(r"[A-Za-z_$][\w$-]*|0|[1-9][0-9]*", re.ASCII)
SHORT = {"--cfg": "-c", "--package": "-p", "--config-path": "-cp", "--config-name": "-cn", "--config-dir": "-cd"}
FLAGS_WITH_VALUES = (*SHORT, *SHORT.values())
MULTIRUN = ("-m", "--multirun")
PLAIN_STUDY = re.compile(r"\w[\w-]*(/\w[\w-]*)*")  # a plain word of `study`; PLUGIN/NAME too


def written_out(command: str, words: list[str]) -> list[str]:
    """Return the words of a command with what is short written out: `study NAME`, and `--dry-run`."""
    if command != "study":
        return words
    found = ["dry_run=true" if word == "--dry-run" else word for word in words]
    bare = [
        index
        for index, (before, word) in enumerate(zip(["", *found], found, strict=False))
        if PLAIN_STUDY.fullmatch(word) and before not in FLAGS_WITH_VALUES
    ]
    if len(several := [found[index] for index in bare if found[index] in choices("study")]) > 1:
        raise RequestError(f"{' '.join(several)} are {len(several)} studies: one at a time, as in study {several[0]}")
    if len(bare) == 1:
        found[bare[0]] = f"study={found[bare[0]]}"
    return found


def as_overrides(command: str, words: list[str]) -> list[str]:
    """Return each word as Hydra must be given it.

    Raises RequestError for a word that is no text, ConfigError for a strategy or a parameter of one that is none.
    """
    sweeping = not {*words}.isdisjoint(MULTIRUN)
    for word in words:
        if any("\ud800" <= mark <= "\udfff" for mark in word):
            raise RequestError(f"{word!r} is not text in UTF-8: rename what it names, and set LC_ALL=C.UTF-8")
    return [
        word if word.startswith("-") or before in FLAGS_WITH_VALUES else as_override(command, word, sweeping=sweeping)
        for before, word in zip(["", *words], words, strict=False)
    ]


def as_override(command: str, word: str, *, sweeping: bool) -> str:
    """Return KEY=VALUE as Hydra must be given it; other words as they are."""
    found = OVERRIDE.fullmatch(word)
    if found is None or found[1] == "~":
        return word
    sign, key, raw = found[1], found[2], found[3]
    if command == "study":  # where data lie is said alike in all commands
        key = re.sub(r"^dataset\.(root|verify|path)$", r"study.dataset.\1", key)
    if command in ("distill", "study") and not raw.startswith("{"):  # a student loss is chosen and changed alike, too
        key = re.sub(r"^loss(?=\.|$)", "study.distillation.loss" if command == "study" else "distillation.loss", key)
        key = re.sub(r"^((?:study\.)?distillation\.loss)$", r"loss@\1", key)
    if key.partition("@")[0] == "aug":
        for each in split(raw, brackets=True) if sweeping else [raw]:
            check_stack(key, each)
    values = as_values(kind_of(command, key), raw, sweeping=sweeping)
    if (place := open_map(command, key)) is not None:
        return into_map(place, key, values)
    if found_op := OF_PREFIXED.fullmatch(key):  # Hydra's grammar has no such key, but it merges maps
        maps = (f"{{{found_op[2]}:{{{found_op[3]}:{value}}}}}" for value in values)
        return f"{sign}{found_op[1]}={','.join(maps)}"
    return f"{sign}{key}={','.join(values)}"


def check_stack(key: str, raw: str) -> None:
    """Raise ConfigError for a list of strategies, also written with +, that is empty or names one twice."""
    is_list = raw.startswith("[") and raw.endswith("]")
    names = split(raw[1:-1], brackets=True) if is_list else raw.split("+")
    if is_list and not raw[1:-1].strip():
        raise ConfigError(f"{key}=[] names no strategy: type {key}=baseline for images as they are")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{key}={raw} has {twice[0]} twice: a stack has each strategy once")


def as_values(kind: str, raw: str, *, sweeping: bool) -> list[str]:
    """Return the values, in a sweep several, that stand for a key of this kind, as Hydra must be given them."""
    if kind in LITERALS:
        if sweeping and FUNCTION.fullmatch(raw):
            return [raw]
        parts = split(raw, brackets=False) if sweeping else [raw]
        return [part if part.lower() in LITERALS[kind] else as_text(part) for part in parts]
    if kind == "texts":
        parts = split(raw, brackets=True)
        return [as_texts(part) for part in parts] if sweeping or len(parts) == 1 else [raw]
    return split(raw, brackets=True) if is_read(raw) else [quoted(raw)]


def as_texts(raw: str) -> str:
    """Return a list of texts, or one, quoted; a map among them, as of an attack, is left to Hydra's grammar."""
    if raw.startswith("{") and raw.endswith("}"):
        return raw
    if raw.startswith("[") and raw.endswith("]"):
        return f"[{','.join(map(as_texts, split(raw[1:-1], brackets=True)))}]" if raw[1:-1].strip() else "[]"
    return raw if FUNCTION.fullmatch(raw) else as_text(raw)


def as_text(raw: str) -> str:
    """Return one text quoted, `~` at its start expanded; what is quoted already keeps its quotes."""
    if re.fullmatch(QUOTED, raw, re.DOTALL):
        return raw[0] + expanded(raw[1:-1] + raw[0])
    return quoted(expanded(raw))


def expanded(text: str) -> str:
    """Return text with a `~` or `~USER` at its start as the home folder that it means."""
    head, slash, rest = text.partition("/")
    return os.path.expanduser(head) + slash + rest


def quoted(text: str) -> str:
    """Return text between quotes, as Hydra's grammar escapes it: backslashes only count before a quote."""
    escaped = re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + found[2].replace("'", "\\'"), text)
    return f"'{escaped}'"


def unquoted(text: str) -> str:
    """Return text without the quotes around it, if there are any, as Hydra's grammar reads it."""
    if not re.fullmatch(QUOTED, text, re.DOTALL):
        return text
    return re.sub(rf"(\\*)({text[0]}|\Z)", lambda found: found[1][: len(found[1]) // 2] + found[2], text[1:-1])


def split(raw: str, *, brackets: bool) -> list[str]:
    """Return what commas separate, but those between quotes and, if `brackets`, within brackets."""
    parts, depth, pos = [""], 0, 0
    while pos < len(raw):
        begins = not parts[-1].strip() or parts[-1].rstrip()[-1] in "[{(,:"
        if begins and (text := re.match(QUOTED, raw[pos:], re.DOTALL)):
            parts[-1] += text[0]
            pos += len(text[0])
            continue
        mark = raw[pos]
        depth += brackets * ((mark in "[{(") - (mark in ")}]"))
        if mark == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += mark
        pos += 1
    return [part.strip() for part in parts] if len(parts) > 1 else parts


def is_read(raw: str) -> bool:
    """Return whether Hydra's grammar reads a value; what looks like a list or a map is left to its refusal."""
    if PLAIN.fullmatch(raw) or raw[:1] in ("", "[", "{"):
        return True
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(f"key={raw}")
    except HydraException:
        return False
    return True


def kind_of(command: str, key: str) -> str:
    """Return what a key holds.

    "text", "null or text", "texts" (a list of them, or choices of a group), "option" (text, true, false) or "other".
    """
    group = key.partition("@")[0]
    if re.fullmatch(r"[\w-]+", group) and (conf_dir() / group).is_dir():
        return "texts"
    values = list(declared(command, key))
    for value in values:
        if isinstance(value, str) and (other := re.fullmatch(r"\$\{([\w.]+)\}", value)):
            return kind_of(command, other[1])
    if any(isinstance(value, str) and not EXPONENT.fullmatch(value) for value in values) and key not in WORD_OR_NUMBER:
        return "null or text" if None in values else "text"
    if any(isinstance(value, list) and value and all(isinstance(item, str) for item in value) for value in values):
        return "texts"
    if any(key == name or key.endswith(f".{name}") for name in NULL_TEXT):
        return "null or text"
    return "option" if key.startswith("executor.") and open_map(command, key) not in (None, key) else "other"


def declared(command: str, key: str) -> Iterator[Any]:
    """Yield the values that the files of `conf/` give a dotted key: the command's own, and those of its groups."""
    parts = ["aug", *key.split(".")[1:]] if key.startswith("study.ops.") else key.split(".")
    for name in ("common", command):
        yield from below(conf_dir() / f"{name}.yaml", tuple(parts))
    for index, part in enumerate(parts[:-1], 1):
        folder = SECOND_PLACES.get(part, part)
        if re.fullmatch(r"[\w-]+", folder) and (conf_dir() / folder).is_dir():
            for path in files(folder).values():
                yield from below(path, tuple(parts[index:]))


@cache
def below(path: Path, parts: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the value at the place `parts` in a YAML file, nothing if there is none."""
    node: Any = loaded(path)
    for part in parts:
        if not isinstance(node, dict) or part not in node:
            return ()
        node = node[part]
    return (node,)


@cache
def loaded(path: Path) -> Any:
    """Return what a YAML file holds; nothing of a plugin's that cannot be read, which is refused where it is chosen."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def open_map(command: str, key: str) -> str | None:
    """Return the map that a key is or lies in and whose keys are anybody's, as study.margins; None for other keys.

    Such maps are {} in the command's own file, or in the group `executor`; Hydra adds to them with ++ alone.
    """
    parts = key.split(".")
    for end in range(1, len(parts) + 1):
        own = below(conf_dir() / f"{command}.yaml", tuple(parts[:end]))
        place = ".".join(parts[:end])
        if own == ({},) or (parts[0] == "executor" and {} in declared(command, place)):
            return place
    return None


def into_map(place: str, key: str, values: list[str]) -> str:
    """Return the override that sets a key of an open map, also one that starts with a digit, as claims' names do."""
    path = key.split(".")[place.count(".") + 1 :]
    if place == "study.ops" and path:
        check_keys("study.ops.", {path[0]: None}, [op for op in choices("aug") if op != "baseline"])
        check_keys(f"study.ops.{path[0]}.", dict.fromkeys(path[1:2]), list(parameters("aug", path[0])))
    if all(map(KEY_PART.fullmatch, path)):
        return f"++{key}={','.join(values)}"
    return f"++{place}=" + ",".join(
        "".join(f"{{{part}:" for part in path) + value + "}" * len(path) for value in values
    )
