"""What every refusal of a value is made of: what is allowed, and the nearest word that is known."""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from augdistill.base.errors import ConfigError


def require(holds: bool, key: str, value: object, allowed: str) -> None:
    """Raise ConfigError unless `holds`, naming the key, the value and what is allowed."""
    if not holds:
        raise ConfigError(f"{key}={value} is out of range: {allowed}")


SAME = {  # what other programs call it -> what it may be called here
    "rm": "remove",
    "delete": "remove",
    "ls": "list",
    "list": "status",
    "download": "fetch",
    "check": "verify",
    "info": "show",
}


def one_of(key: str, value: str, allowed: Collection[str]) -> None:
    """Raise ConfigError unless `value` is among `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ConfigError(f"{key}={value} is unknown{nearest(value, allowed)}: choose one of {', '.join(allowed)}")


def nearest(word: object, known: Collection[str]) -> str:
    """Return ' (did you mean X?)' for the known word that means `word` or is closest to it, or nothing."""
    typed, folded = str(word)[:200].casefold(), {name.casefold(): name for name in reversed([*known])}
    if (same := SAME.get(typed)) in folded:
        return f" (did you mean {folded[same]}?)"
    begun = [name for name in folded if len(typed) > 1 and name.startswith(typed)]  # train: train-teacher
    close = begun if len(begun) == 1 else difflib.get_close_matches(typed, folded, n=1)
    return f" (did you mean {folded[close[0]]}?)" if close else ""


def checkpoint_every(text: str) -> tuple[float, float]:
    """Return minutes and epochs between checkpoints: of "5min" (5, inf), of "2epochs" (inf, 2); else ConfigError."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)min|([1-9][0-9]{0,8})epochs?", text)
    require(found is not None, "runtime.checkpoint_every", text, CHECKPOINTS)
    assert found is not None
    return float(found[1] or math.inf), float(found[2] or math.inf)


CHECKPOINTS = "minutes or whole epochs, as in 5min, 0.5min, 1epoch"


def check_keys(prefix: str, values: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise ConfigError for the first key of `values` that is not known, with the nearest one that is."""
    for key in values:
        if key not in known:
            listed = ", ".join(known) or "none"
            raise ConfigError(f"{prefix}{key} is not a config key{nearest(key, known)}: known here are {listed}")


NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")  # of a file, in a shell, in HTML and in LaTeX: always itself


def is_name(value: object) -> bool:
    """Return whether a value is a plain name, which no path can hide in."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def require_name(key: str, value: object) -> None:
    """Raise ConfigError unless a value can name a folder."""
    if not is_name(value):
        raise ConfigError(f"{key}={str(value)[:80]!r} is no name: letters, digits and . _ + - are allowed, 200 at most")


LABEL = re.compile(rf"{NAME.pattern}(?:/{NAME.pattern}){{0,9}}")  # names of a stack, some with a plugin's prefix


def is_prefixed(value: object) -> bool:
    """Return whether a value is the name of something that a plugin adds, as mypkg/randaugment, there or not."""
    return isinstance(value, str) and "/" in value and LABEL.fullmatch(value) is not None


def file_name(label: str) -> str:
    """Return a label as it stands in the name of a folder or file: a prefix is set off by a dot."""
    return label.replace("/", ".")
