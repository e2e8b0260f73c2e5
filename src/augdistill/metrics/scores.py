"""One set of predictions, with what several metrics share computed once, and the scores it gets."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augdistill.base.arrays import Floats, Ints
from augdistill.metrics import calibration, classification, human, latent

MATRICES = ("confusion", "class_means", "human_class_means", "human_kl_matrix")  # arrays [K, K]
ABOUT_HUMANS = "human_"  # how the names of arrays begin that are made of people's answers


class Teacher(NamedTuple):
    """What a student learned from."""

    logits: NDArray[Any]
    """[N, K] for the images that are scored"""
    temperature: float
    """of the distillation"""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What is scored, as `score` has checked it; every property is computed on first use."""

    logits: NDArray[Any]
    """[N, K] as they came: logits or log-probabilities"""
    log_probabilities: Floats
    """[N, K]"""
    labels: Ints
    """[N] in [0, K)"""
    embeddings: NDArray[Any] | None = None
    """[N, d] penultimate"""
    human: Floats | None = None
    """[N, K] shares of human answers"""
    validation: tuple[Floats, Ints] | None = None
    """log-probabilities [M, K] and labels [M] on which a temperature is fitted"""
    teacher: Teacher | None = None
    outputs: bool = False
    """a teacher's, on the images that its students learn from"""
    external: bool = False
    """probabilities that something else made: zeros are possible"""
    draws: Floats | None = None
    """[G, K] means of a teacher's probabilities over groups of images, as a student saw these while it learned"""

    @property
    def classes(self) -> int:
        classes: int = self.log_probabilities.shape[1]
        return classes

    @property
    def available(self) -> frozenset[str]:
        """What a metric's `needs` can be met with."""
        optional = {
            "embeddings": self.embeddings is not None,
            "human": self.human is not None,
            "teacher": self.teacher is not None,
            "draws": self.draws is not None,
            "outputs": self.outputs,
            "external": self.external,
        }
        return frozenset({"labels"} | {name for name, present in optional.items() if present})

    @cached_property
    def probabilities(self) -> Floats:
        return np.exp(self.log_probabilities)

    @property
    def targets(self) -> Floats:
        """One-hot labels [N, K]."""
        return classification.one_hot(self.labels, self.classes)

    @cached_property
    def clipped(self) -> Floats:
        return classification.clipped(self.log_probabilities)

    @cached_property
    def macro(self) -> tuple[float, float, float]:
        """Precision, recall, F1."""
        return classification.precision_recall_f1(self.log_probabilities, self.labels)

    @cached_property
    def weighted(self) -> tuple[float, float, float]:
        """Precision, recall, F1, classes weighted by their samples."""
        return classification.precision_recall_f1(self.log_probabilities, self.labels, weighted=True)

    @cached_property
    def reliability(self) -> calibration.Reliability:
        return calibration.reliability(self.log_probabilities, self.labels)

    @cached_property
    def scaled(self) -> calibration.Scaled:
        return calibration.scale_predictions(self.log_probabilities, self.labels, self.validation)

    @cached_property
    def scaled_reliability(self) -> calibration.Reliability:
        return calibration.reliability(self.scaled.log_probabilities, self.labels)

    @property
    def answers(self) -> Floats:
        """The human labels of metrics that need them."""
        assert self.human is not None
        return self.human

    @property
    def taught_by(self) -> Teacher:
        """The teacher of metrics that need one."""
        assert self.teacher is not None
        return self.teacher

    @property
    def drawn(self) -> Floats:
        """The means of metrics that need them."""
        assert self.draws is not None
        return self.draws

    @cached_property
    def class_means(self) -> Floats:
        return human.class_means(self.probabilities, self.labels, self.classes)

    @cached_property
    def human_class_means(self) -> Floats:
        return human.class_means(self.answers, self.labels, self.classes)

    @cached_property
    def human_kl_matrix(self) -> Floats:
        return human.kl_matrix(self.human_class_means, self.class_means)

    @cached_property
    def similarities(self) -> latent.Similarities:
        assert self.embeddings is not None
        return latent.similarities(self.embeddings, self.labels, self.classes)

    @cached_property
    def corrected(self) -> latent.Discrimination:
        return latent.discrimination(self.similarities, "corrected")

    @cached_property
    def as_printed(self) -> latent.Discrimination:
        return latent.discrimination(self.similarities, "as_printed")

    @cached_property
    def as_published(self) -> latent.Discrimination:
        return latent.class_discrimination(self.probabilities, self.labels, self.classes, "as_published")


@dataclass(frozen=True)
class Scores:
    """The metrics of one set of predictions, as plain Python values."""

    scalars: dict[str, float]
    """by name, in the order of METRICS; a metric whose needs are not met is left out, an undefined one is NaN"""
    arrays: dict[str, Any]
    """lists, or dictionaries of lists, by name"""
    scaling: str
    """where the scaling temperature was fitted: "validation" or "two-fold" """

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary that strict JSON can hold: NaN becomes null, infinities "inf" and "-inf"."""
        return {"scaling": self.scaling, "scalars": _encode(self.scalars), "arrays": _encode(self.arrays)}

    @property
    def classes(self) -> int | None:
        """K, None where no array tells it."""
        values = next((self.arrays[name] for name in (*MATRICES, "class_accuracy") if name in self.arrays), None)
        return None if values is None else len(values)


def figure_arrays(predictions: Predictions) -> dict[str, Any]:
    """Return what figures need, as lists: the reliability diagram, the confusion matrix, means of classes."""
    p = predictions
    found = {
        "reliability": {name: values.tolist() for name, values in vars(p.reliability).items()},
        "scaling_temperatures": list(p.scaled.temperatures),
        "class_accuracy": classification.per_class_accuracy(p.log_probabilities, p.labels).tolist(),
        "confusion": classification.confusion_matrix(p.log_probabilities, p.labels).tolist(),
        "class_means": p.class_means.tolist(),
    }
    if p.human is not None:
        found["human_class_means"] = p.human_class_means.tolist()
        found["human_kl_matrix"] = p.human_kl_matrix.tolist()
    return found


def _encode(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
