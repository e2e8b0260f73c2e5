"""`augdistill claims`: the studies of the claims library, and what each judges."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no types are published

from augdistill.base.checks import one_of
from augdistill.base.reading import read_text
from augdistill.claims.schema import load_claims
from augdistill.config import conf_dir

FOLDER = "claims"  # below conf/study, and of the files of claims


def names() -> list[str]:
    """Return the studies of the library, by name, each the choice study=claims/NAME."""
    return sorted(path.stem for path in (conf_dir() / "study" / FOLDER).glob("*.yaml"))


def listed(name: str | None) -> str:
    """Return what the library, or one study of it with its file's head, asks and judges; ConfigError for no study."""
    if name is not None:
        one_of("claims", name, names())
    return "\n\n".join("\n".join(lines(each, whole=name is not None)) for each in ([name] if name else names()))


def lines(name: str, *, whole: bool) -> Iterator[str]:
    """Yield a study's question, its command, and each claim with how it is judged; of the `whole` its file's head."""
    path = conf_dir() / "study" / FOLDER / f"{name}.yaml"
    text = read_text(path)
    study: dict[str, Any] = yaml.safe_load(text)
    claims = load_claims(conf_dir() / Path(study["claims_file"]))
    yield f"{name}: {study['question']}"
    yield f"  augdistill study study={FOLDER}/{name}"
    if whole:
        yield from (f"  {line[2:]}" for line in text.splitlines()[1:] if line.startswith("# "))
    for id in study["claims"]:
        claim = claims[id]
        margin = f"margin {claim.margin:g}{f' {claim.unit}' if claim.unit else ''}"
        primary = ", primary" if id in claims.primary else ""
        yield f"  {id}: {claim.text} ({claim.kind} of {claim.metric}, {margin}{primary}; {claim.paper})"
