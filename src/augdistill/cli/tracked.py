"""`augdistill runs export TRACKER`: histories of runs that are there, in the files of a tracker."""

import csv
from collections.abc import Sequence
from pathlib import Path

from augdistill.base.checks import one_of
from augdistill.base.errors import RequestError, WorkError
from augdistill.base.reading import read_text
from augdistill.base.text import pluralise
from augdistill.config.base import dotted
from augdistill.results.models import matching, models
from augdistill.store.runs import Run, RunStore
from augdistill.trackers import FOLDER, TRACKERS, TrackedRun, Tracking, check_installed

HISTORY = "history.csv"


def exported(store: RunStore, tracker: str | None, name: str | None, study: str | None, where: Sequence[str]) -> str:
    """Write histories of one run, or of all models that are as `study` and `where` say, and say how to look at them.

    Raises RequestError for a tracker that there is not or is not installed, and where no such run has a history.
    """
    if tracker is None:
        raise RequestError(f"export to which tracker? type augdistill runs export {'|'.join(TRACKERS)} [RUN]")
    one_of("tracker", tracker, TRACKERS)
    check_installed([tracker])
    runs = [store.get(name)] if name else [row.run for row in matching(models(store, None, study), where)]
    told = [run for run in runs if HISTORY in run.manifest.files]
    if not told:
        raise RequestError(
            f"{name or 'what was asked for'} has no history to export: augdistill runs lists what was trained"
        )
    if failed := [run for run in told if not is_told(run, tracker, store.outputs)]:
        raise WorkError(f"{pluralise(len(failed), 'run')} of {len(told)} could not be exported to {tracker}")
    look = TRACKERS[tracker].look.format(folder=store.outputs.absolute() / FOLDER)
    return f"{pluralise(len(told), 'run')}: {look}"


def is_told(run: Run, tracker: str, outputs: Path) -> bool:
    """Tell a tracker a run's whole history, in place of what it knows of that; return whether it took it."""
    about = TrackedRun(run.id, run.path.name, run.kind, dotted(run.manifest.config))
    with Tracking([tracker], outputs, about) as track:
        track(history(run))
        track.status = run.status
    return bool(track.names)


def history(run: Run) -> list[dict[str, float]]:
    """Return a run's history, a row per epoch, of which a value that is not there has no name."""
    rows = csv.DictReader((read_text(run.file(HISTORY)) or "").splitlines())
    return [{name: float(value) for name, value in row.items() if value} for row in rows]
