"""What each key of a config means: the comments beside the keys in the files of `conf/`."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from augdistill.base.reading import read_text
from augdistill.config.places import SECOND_PLACES, conf_dir, files

NAME = "what is chosen: {group}=NAME chooses another"


@cache
def comments(path: Path) -> dict[str, str]:
    """Return the comment beside each dotted key of a YAML file; one that goes on below stands in one line."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    last, column = "", -1
    for line in read_text(path).splitlines():
        text, mark, comment = line.partition(" # ")
        key = re.match(r"( *)([\w./-]+):", text)
        if key is not None:
            above = [entry for entry in above if entry[0] < len(key[1])] + [(len(key[1]), key[2])]
            last, column = ".".join(name for _, name in above), line.find("# ") if mark else -1
            if mark:
                found[last] = comment.strip()
        elif column > 0 and line.lstrip().startswith("# ") and line.find("# ") == column:
            found[last] += f" {line.strip()[2:]}"
    return found


def meaning(command: str, key: str, config: Any) -> str:
    """Return what a dotted key of a command's config means, "" where no file says it.

    The file that is chosen is asked first, then the others of its folder: recipes have the same keys.
    """
    return next((text for text in said(command, key, config) if text), "")


def said(command: str, key: str, config: Any) -> Iterator[str]:
    """Yield what files say of a key: the command's own, then those of the groups that it is in, the innermost first."""
    for name in (command, "common"):
        yield comments(conf_dir() / f"{name}.yaml").get(key, "")
    if command == "study":
        for path in files("study").values() if key.count(".") == 1 else ():
            yield comments(path).get(key.removeprefix("study."), "")
        key = re.sub(r"^students\.[^.]+", "student", re.sub(r"^ops\.", "aug.ops.", key.removeprefix("study.")))
    parts = key.split(".")
    for index in range(len(parts) - 1, 0, -1):
        group = SECOND_PLACES.get(parts[index - 1], parts[index - 1])
        if not (conf_dir() / group).is_dir():
            continue
        inner = ".".join(parts[index:])
        if inner == "name":
            yield NAME.format(group=group)
        there = files(group)
        chosen = at(config, [*parts[:index], "name"])
        for path in [there[chosen]] if chosen in there else []:
            yield comments(path).get(inner, "")
        for path in there.values():
            yield comments(path).get(inner, "")


def at(config: Any, parts: list[str]) -> Any:
    """Return the value at a place of a config, None where there is none."""
    for part in parts:
        config = config.get(part) if isinstance(config, dict) else None
    return config
