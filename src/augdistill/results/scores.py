"""The scores of an evaluation, read from its folder."""

from pathlib import Path

from augdistill.base.errors import RunError
from augdistill.base.reading import read_json
from augdistill.base.text import removal
from augdistill.metrics.calibration import BINS
from augdistill.metrics.scores import MATRICES, Scores
from augdistill.store.scores import SavedScores


def load_scores(path: Path) -> Scores:
    """Return the scores in a run's file; raises RunError if it is damaged or of other shapes."""
    advice = removal(path.parent)
    saved = read_json(path, SavedScores, advice)
    found = Scores(saved.scalars, saved.arrays.model_dump(exclude_unset=True), saved.scaling)
    sides = {len(values) for name in MATRICES if (rows := found.arrays.get(name)) for values in (rows, *rows)}
    sides |= {len(found.arrays["class_accuracy"])} if "class_accuracy" in found.arrays else set()
    bins = {len(values) for name, values in found.arrays.get("reliability", {}).items() if name != "edges"}
    if len(sides) > 1 or not bins <= {BINS}:
        raise RunError(f"{path} cannot be read (its arrays do not fit each other): {advice}")
    return found
