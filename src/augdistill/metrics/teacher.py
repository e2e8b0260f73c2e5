"""What a teacher offers its students, and what they take of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from augdistill.metrics.classification import log_softmax
from augdistill.metrics.human import cross_entropy


def logit_sd(logits: NDArray[Any]) -> float:
    """Return the s.d. of all logits [N, K] once each row's mean is removed: the root mean square over N x K cells.

    The row mean has no effect on a softmax, so log-probabilities give the same. At high temperature the KD term is
    about alpha / (2 K) |z_student - z_teacher|^2 of such centred logits: this is its scale. NaN with an infinite logit.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(logits).all():
        return float("nan")
    exponent = np.frexp(np.abs(logits).max())[1]  # a power of two costs no bit, and 1e200 squared is no float64
    logits = np.ldexp(logits, -exponent)
    return float(np.ldexp(np.sqrt(np.square(logits - logits.mean(axis=1, keepdims=True)).mean()), exponent))


def label_information(logits: NDArray[Any], temperature: float = 1.0) -> float:
    """Return ln K - H in nats, H the mean entropy of softmax(logits / temperature): 0 if uniform, ln K if one-hot."""
    log_probabilities = log_softmax(np.asarray(logits, dtype=np.float64) / temperature)
    entropy = cross_entropy(np.exp(log_probabilities), log_probabilities)
    return max(float(np.log(log_probabilities.shape[1])) - entropy, 0.0)  # rounding may end below 0


def agreement(student_logits: NDArray[Any], teacher_logits: NDArray[Any]) -> float:
    """Return the share of samples, of logits [N, K], for which both predict the same class (arXiv 2106.05945)."""
    return float(np.mean(np.argmax(student_logits, axis=1) == np.argmax(teacher_logits, axis=1)))


def teacher_student_kl(student_logits: NDArray[Any], teacher_logits: NDArray[Any], temperature: float = 1.0) -> float:
    """Return the mean over samples of KL(teacher || student), in nats, of softmax(logits / temperature), [N, K]."""
    student = log_softmax(np.asarray(student_logits, dtype=np.float64) / temperature)
    teacher = log_softmax(np.asarray(teacher_logits, dtype=np.float64) / temperature)
    return max(cross_entropy(np.exp(teacher), student) - cross_entropy(np.exp(teacher), teacher), 0.0)


def mean_probability_sd(draws: NDArray[Any]) -> float:
    """Return T.stddev (arXiv 2012.02909): the s.d. over groups of images of a teacher's mean probabilities [G, K].

    A mean over classes. It is small where a strategy shows a student much at once. NaN with less than two groups.
    """
    return float(np.std(draws, axis=0, ddof=1).mean()) if len(draws) > 1 else float("nan")
