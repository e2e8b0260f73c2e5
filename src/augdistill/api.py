"""The same from Python: what commands do, and what their runs and studies say, as objects, tables and figures."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from augdistill.base.errors import RequestError
from augdistill.metrics import Scores, check_predictions, score
from augdistill.metrics.predictions import real

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from augdistill.claims.comparison import Comparison
    from augdistill.claims.verdict import Verdict
    from augdistill.stages.classifier import Classifier
    from augdistill.store.runs import Run


@dataclass(frozen=True)
class ModelRun:
    """A finished run that holds a model, and what is saved of it."""

    run: "Run"

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.run.path

    @property
    def status(self) -> str:
        """How it ended: finished, diverged."""
        return self.run.status

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Every metric by test set, then by name."""
        from augdistill.results.scores import load_scores
        from augdistill.store.evaluations import METRICS_FILE

        found = ((each.evaluation.test_set, each.file(METRICS_FILE)) for each in self._evaluations())
        return {test_set: dict(load_scores(file).scalars) for test_set, file in found}

    @property
    def history(self) -> pd.DataFrame:
        """A row per epoch: loss and its parts, learning rate, images per second; none of an imported teacher."""
        from augdistill.base.reading import read_text

        text = read_text(self.path / "history.csv")
        return pd.read_csv(io.StringIO(text)) if text else pd.DataFrame()

    def model(self) -> "Classifier":
        """Return its model, as `load_model` does."""
        return load_model(self.path)

    def predictions(self, test_set: str | None = None) -> dict[str, np.ndarray]:
        """Return `logits` [N,K] and `labels` [N] on a test set, `embeddings` [N,d] on its own; the first by default.

        Raises RequestError for a test set that it was not evaluated on.
        """
        from augdistill.base.reading import read_arrays
        from augdistill.base.text import removal
        from augdistill.store.evaluations import PREDICTIONS

        there = {each.evaluation.test_set: each for each in self._evaluations() if PREDICTIONS in each.manifest.files}
        wanted = test_set or next(iter(there), None)
        if wanted not in there:
            raise RequestError(
                f"{self.path.name} has no predictions of {wanted}: there are {', '.join(there) or 'none'}"
            )
        found = there[wanted]
        return read_arrays(found.file(PREDICTIONS), removal(found.path))

    def _evaluations(self) -> "list[Run]":
        from augdistill.store.runs import RunStore

        there = RunStore(self.path.parents[1]).all("evaluation")
        return [each for each in there if each.manifest.document.parents.get("run") == self.run.id]


@dataclass(frozen=True)
class StudyRun:
    """A study that was run, and what is saved of it."""

    name: str
    outputs: Path

    @property
    def results(self) -> pd.DataFrame:
        """As `load_results` returns them."""
        return load_results(self.name, self.outputs)

    @property
    def page(self) -> Path:
        """Where its page is."""
        return self.outputs / "studies" / self.name / "report" / "index.html"

    @property
    def runs(self) -> list[ModelRun]:
        """Its finished teachers and students."""
        from augdistill.results.study import SavedStudy

        places = SavedStudy.load(self.name, self.outputs).places
        return [ModelRun(place.run) for place in places if place.run is not None]

    def draw(self, figure: str) -> "list[Figure]":
        """Return a figure of its report, as `draw` does."""
        return draw(figure, self.name, self.outputs)

    def verdicts(self) -> "list[Verdict]":
        """Return a verdict for each of its claims, as `judge` does."""
        return judge(self.name, self.outputs)


def train_teacher(*overrides: str, **choices: Any) -> ModelRun:
    """Train a teacher, unless it is there, and evaluate it, as `augdistill train-teacher` does; return its run.

    Keyword arguments are the command's words: `aug="cutmix", seed=1, optim={"epochs": 5}`; or write them as they are
    typed, `"optim.epochs=5"`. Raises RequestError for what is refused, WorkError for a training that diverged.
    """
    from augdistill.cli import commands, python

    return ModelRun(commands.train_teacher(python.composed("train-teacher", overrides, choices)))


def distill(*overrides: str, **choices: Any) -> ModelRun:
    """Distil a student, unless it is there, and evaluate it, as `augdistill distill` does; return its run.

    Words are given as to `train_teacher`: `student="lenet", aug="cutmix", distillation={"temperature": 4}`.
    """
    from augdistill.cli import commands, python

    return ModelRun(commands.distill(python.composed("distill", overrides, choices)))


def import_teacher(*overrides: str, **choices: Any) -> ModelRun:
    """Import a teacher from elsewhere as `augdistill import-teacher` does; return its run."""
    from augdistill.cli import commands, python

    return ModelRun(commands.import_teacher(python.composed("import-teacher", overrides, choices)))


def evaluate(run: "str | Path | ModelRun", *overrides: str, **choices: Any) -> ModelRun:
    """Evaluate a run on its test sets, as `augdistill evaluate run=RUN` does; return it."""
    from augdistill.cli import commands, python
    from augdistill.store.runs import RunStore

    name = str(run.path if isinstance(run, ModelRun) else run)
    config = python.composed("evaluate", overrides, {**choices, "run": name})
    commands.evaluate(config)
    return ModelRun(RunStore(Path(config["outputs"])).get(name))


def run_study(*overrides: str, **choices: Any) -> StudyRun:
    """Run a study as `augdistill study` does, `study="tiny"`; what is there is not repeated. Raises as that fails."""
    from augdistill.cli import commands, python

    config = python.composed("study", overrides, choices)
    commands.study(config)
    return StudyRun(str(config["study"]["name"]), Path(config["outputs"]))


def compare(
    study: str,
    a: Mapping[str, str],
    b: Mapping[str, str],
    metric: str = "accuracy",
    test_set: str | None = None,
    outputs: str | Path = "outputs",
) -> "Comparison":
    """Return arm a minus arm b of a study, in the metric's units, with intervals and p: `.overall`, `.classes`.

    An arm is column -> value, as in {"teacher_aug": "cutmix", "model": "lenet"}. Raises RequestError for an arm, a
    metric or a test set that the study lacks.
    """
    from augdistill.report.contrasts import compared

    return compared(Path(outputs), study, dict(a), dict(b), metric, test_set)[0]


def judge(study: str, outputs: str | Path = "outputs") -> "list[Verdict]":
    """Return a verdict for each claim of a study, by its saved results; its folder notes that it was looked at."""
    from augdistill.report.building import judged
    from augdistill.results.study import SavedStudy

    return judged(SavedStudy.load(study, Path(outputs)))


def load_model(run: str | Path, outputs: str | Path = "outputs") -> "Classifier":
    """Return the model of a finished run, by its folder, name or the beginning of its id: a `torch.nn.Module`.

    It is on the CPU, in evaluation mode, takes images [B,C,H,W], uint8 as in files or normalised floats, and returns
    logits [B,K]; `.class_names` are the K classes, `.image_shape` is (C, H, W). Raises RunError for a run that is not
    there, holds no model, or whose weights are not what they were.
    """
    from augdistill.stages import classifier

    return classifier.load_model(run, outputs)


def load_results(
    study: str | None = None, outputs: str | Path = "outputs", *, runs: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the results of a study, or of `runs` that no study planned, one row per run and metric.

    `runs` chooses as `augdistill runs where=` does: "all", "student=lenet" or ["student=lenet", "T=4"]; nothing is
    written.

    Columns: study, role (teacher, student, control), model, teacher_aug, student_aug, variant, block, student_seed,
    test_set, metric, value, status (finished, dead units, collapsed, diverged, missing), run, precision. What a
    teacher's outputs say of it on the training images has the test set "distillation"; then a column for each key
    that the variants change. Raises RequestError for an unknown study, and for runs that no design can hold.
    """
    from augdistill.results.frame import with_values
    from augdistill.results.loose import load_loose
    from augdistill.results.study import SavedStudy

    if (study is None) == (runs is None):
        raise RequestError('name a study, load_results("NAME"), or choose runs, load_results(runs="student=lenet")')
    words = [runs] if isinstance(runs, str) else runs
    saved = SavedStudy.load(study or "", Path(outputs)) if words is None else load_loose(words, Path(outputs))
    return with_values(saved.results)


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
