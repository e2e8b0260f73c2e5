"""Fonts that can draw what a study's classes are called, in whatever script."""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

FONT = "DejaVu Sans"  # comes with matplotlib


def drawable(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the font families that draw `names`, ours first, and the names as figures can say them.

    A name that no font on this machine can draw becomes "class 3", its index, which the log says once.
    """
    missing = set("".join(names)) - {chr(code) for code in characters(path_of(FONT))}
    if not missing:
        return [FONT], list(names)
    families = [FONT]
    for family, path in sorted(installed().items()):
        found = missing & {chr(code) for code in characters(path)}
        if found:
            families.append(family)
            missing -= found
        if not missing:
            break
    said = [f"class {index}" if missing & set(name) else name for index, name in enumerate(names)]
    if missing:
        told = ", ".join(f"{new} for {name}" for name, new in zip(names, said, strict=True) if name != new)
        log.warning("no font here draws some classes' names: figures say %s; a font that has them mends that", told)
    return families, said


def installed() -> dict[str, str]:
    """Return the upright text fonts of this machine, family -> file."""
    from matplotlib.font_manager import fontManager

    found: dict[str, str] = {}
    for entry in fontManager.ttflist:
        if entry.style == "normal" and Path(entry.fname).suffix.lower() in (".ttf", ".otf", ".ttc"):
            found.setdefault(entry.name, entry.fname)
    return found


def path_of(family: str) -> str:
    """Return the file of a font family."""
    from matplotlib.font_manager import findfont

    return str(findfont(family))


@cache
def characters(path: str) -> frozenset[int]:
    """Return the code points that a font has glyphs of; none for a file that is no font after all."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
