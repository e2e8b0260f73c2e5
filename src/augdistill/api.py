"""The same from Python: a study's results as a table, the metrics of predictions, a figure of the report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import ArrayLike

from augdistill.base.errors import RequestError
from augdistill.metrics import Scores, check_predictions, score
from augdistill.metrics.predictions import real

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_results(study: str, outputs: str | Path = "outputs") -> pd.DataFrame:
    """Return the results of a study, one row per run and metric.

    Columns: study, role (teacher, student, control), model, teacher_aug, student_aug, variant, block, student_seed,
    test_set, metric, value, status (finished, dead units, collapsed, diverged, missing), run, precision. What a
    teacher's outputs say of it on the training images has the test set "distillation". Raises RequestError for an
    unknown study.
    """
    from augdistill.results.study import SavedStudy

    return SavedStudy.load(study, Path(outputs)).results


def score_predictions(
    labels: ArrayLike,
    *,
    logits: ArrayLike | None = None,
    probabilities: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
    human: ArrayLike | None = None,
) -> Scores:
    """Return every metric of predictions: `.scalars` by name, `.arrays` for figures.

    labels [N] from 0 to K - 1; `logits` or `probabilities` [N, K], exactly one of them; optional penultimate
    `embeddings` [N, d] and shares of `human` answers [N, K]. Raises DataError for shapes that do not fit, NaN, labels
    that are not whole numbers in that range (floats will do), and shares or probabilities that do not sum to 1.
    """
    given = {"logits": logits, "probabilities": probabilities, "embeddings": embeddings}
    arrays = {name: real(name, values) for name, values in given.items() if values is not None}
    truth = real("labels", labels)
    classes = next((values.shape[-1] for name, values in arrays.items() if name != "embeddings" and values.ndim), 0)
    checked = check_predictions(arrays, truth, classes)
    return score(
        checked.log_probabilities, truth, embeddings=checked.embeddings, human=human, external=checked.external
    )


def draw(figure: str, study: str, outputs: str | Path = "outputs") -> "list[Figure]":
    """Return a figure of a study's report as matplotlib figures: one, or one per student.

    `figure` is a heading of the report: "Figure 1" to "Figure 6", "Effect on students", "Effect by cell",
    "Teacher properties", "Training curves". Raises RequestError for an unknown figure or study, or if the study lacks
    what it is made of.
    """
    from augdistill.report.figures import FIGURES, FigureContext, make_figures, style
    from augdistill.results.study import SavedStudy

    if figure not in FIGURES:
        raise RequestError(f"no figure is called {figure!r}: choose one of {', '.join(FIGURES)}")
    context = FigureContext.of(SavedStudy.load(study, Path(outputs)))
    with style.applied(**{"font.family": context.fonts}):
        drawn: Any = make_figures(figure, context)
    if isinstance(drawn, str):
        raise RequestError(f"{figure} of {study} cannot be drawn: {drawn}")
    return [one.figure for one in drawn]
