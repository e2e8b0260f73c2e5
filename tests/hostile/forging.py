"""Saved studies changed by hand, their checksums made right, and read as a report does."""

import json
from pathlib import Path
from typing import Any

from augdistill.base.reading import sha256
from augdistill.results.study import SavedStudy


def run_of(outputs: Path, kind: str) -> Path:
    """Return the folder of the first run of a kind."""
    return next(path for path in sorted((outputs / "runs").iterdir()) if path.name.startswith(kind))


def forge(run: Path, **changed: Any) -> None:
    """Change a run's manifest and make all checksums right, as a forger would."""
    path = run / "manifest.json"
    manifest = {**json.loads(path.read_text()), **changed}
    if "files" not in changed:
        manifest["files"] = {name: sha256(run / name) for name in manifest["files"]}
    manifest.pop("checksum", None)
    path.write_text(json.dumps(manifest))


def report_of(outputs: Path) -> SavedStudy:
    """Read all that a report reads of a study but what figures alone need."""
    saved = SavedStudy.load("tiny", outputs)
    assert len(saved.results)
    for place in saved.places:
        saved.arrays(place, saved.test_set)
        saved.history(place)
        saved.correct(place.folder, saved.test_set)
        saved.predictions(place.folder, saved.test_set, "embeddings", "labels")
    return saved
