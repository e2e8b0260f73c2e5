"""Names that people give to runs: a run is found by them, and `gc` keeps what has one."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import RootModel

from augdistill.base.checks import require_name
from augdistill.base.errors import RequestError
from augdistill.base.files import write_json
from augdistill.base.locks import held
from augdistill.base.model import Id
from augdistill.base.reading import read_json

TAGS = "tags.json"  # of an outputs folder


class Tags(RootModel[dict[str, Id]]):
    """tag -> a run's whole id."""


def tags(outputs: Path) -> Mapping[str, str]:
    """Return the tags of an outputs folder and the ids of their runs; none where there are none."""
    try:
        return read_json(outputs / TAGS, Tags, "remove it, and tag anew").root
    except FileNotFoundError:
        return {}


def tag(outputs: Path, name: str, id: str) -> None:
    """Let a name mean a run. Raises ConfigError for what is no name, RequestError for one that means another run."""
    require_name("tag", name)
    with held(outputs / "locks", "tags", "the tags"):
        known = dict(tags(outputs))
        if known.setdefault(name, id) != id:
            raise RequestError(f"{name} is the tag of another run, {known[name][:8]}: augdistill runs untag {name}")
        write_json(outputs / TAGS, known)


def untag(outputs: Path, name: str) -> None:
    """Let a name mean no run any more. Raises RequestError where it means none."""
    with held(outputs / "locks", "tags", "the tags"):
        known = dict(tags(outputs))
        if known.pop(name, None) is None:
            raise RequestError(f"no run has the tag {name}: there are {', '.join(known) or 'none'}")
        write_json(outputs / TAGS, known)
