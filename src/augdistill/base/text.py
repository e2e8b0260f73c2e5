"""Text as people read it: plurals, durations, times, nothing that a terminal would obey."""

import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def removal(path: Path) -> str:
    """Return the command that removes a run's folder."""
    outputs = path.parent.parent
    return f"augdistill runs remove {path.name}" + ("" if outputs == Path("outputs") else f" outputs={outputs}")


def duration(seconds: float) -> str:
    """Return a time as people say it: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def now() -> str:
    """Return the time as people and spreadsheets read it, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


def dataset_label(dataset: Mapping[str, Any]) -> str:
    """Return what a dataset is called in names and tables: a user's own folder by the last part of its path too.

    A label is for people: the same images in a folder of another name are the same data.
    """
    name, path = str(dataset["name"]), dataset.get("path")
    if not isinstance(path, str):
        return name
    last = os.path.basename(os.path.abspath(os.path.expanduser(path)))
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", plain).strip("-.")[:40]
    return f"{name}-{plain or hashlib.sha256(last.encode(errors='surrogateescape')).hexdigest()[:8]}"


def printable(text: str) -> str:
    """Return text without what a terminal would obey: escapes and other control characters become "?"."""
    return "".join(mark if mark.isprintable() or mark == "\n" else "?" for mark in text)


def first_text(is_wrong: Callable[[str], bool], value: object, place: str = "") -> str | None:
    """Return the dotted place of the first text, keys too, that is wrong; None if there is none."""
    if isinstance(value, str):
        return place.rstrip(".") if is_wrong(value) else None
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        here = f"{place}{key}."
        found = here.rstrip(".") if isinstance(key, str) and is_wrong(key) else first_text(is_wrong, item, here)
        if found is not None:
            return found
    return None


def is_no_unicode(text: str) -> bool:
    """Return whether text holds half of a surrogate pair, which no encoding can write."""
    return any("\ud800" <= mark <= "\udfff" for mark in text)


def printable_line(text: str) -> str:
    """Return text as `printable` does, in one line."""
    return printable(" ".join(text.split()))


def capitalised(text: str) -> str:
    """Return text with a capital at its start, the rest as it is."""
    return text[:1].upper() + text[1:]


def pluralise(count: int, word: str) -> str:
    """Return "1 block", "2 blocks"."""
    return f"{count} {word}{'' if count == 1 else 's'}"
