"""Write constraints.txt: the version in this environment of every package that augdistill and its extras need.

usage: .venv/bin/python scripts/pin.py
"""

import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEADER = """\
# The versions that this release was tested with: pip install -c constraints.txt .
# Written by scripts/pin.py; packages of other platforms are not listed and stay free.
"""


def main() -> None:
    """Write the file and say which extras are not installed here and so not in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    pins: dict[str, str] = {}
    for extra, lines in groups.items():
        try:
            pins |= closure(lines)
        except PackageNotFoundError as error:
            print(f"left out: the extra {extra or 'of no name'}, whose {error} is not installed here")
    lines = [f"{name}=={pins[name]}\n" for name in sorted(pins)]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(lines))
    print(f"constraints.txt: {len(pins)} packages")


def closure(lines: Iterable[str]) -> dict[str, str]:
    """Return name -> version of everything that these requirements need on this platform.

    Raises PackageNotFoundError for one that is not installed.
    """
    pins: dict[str, str] = {}
    waiting = [(Requirement(line), "") for line in lines]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, asked_by = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": asked_by}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                installed = distribution(name)
                pins[name] = installed.version
                waiting += [(Requirement(line), extra) for line in installed.requires or []]
    return pins


if __name__ == "__main__":
    main()
