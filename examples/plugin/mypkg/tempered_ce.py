"""Cross-entropy with a sharpened teacher: a student loss to show the form of one."""

from torch import Tensor

from augdistill.base.checks import require
from augdistill.losses.shared import widened


def loss(
    student_logits: Tensor,
    teacher_probabilities: Tensor,
    targets: Tensor,
    temperature: float | Tensor,
    *,
    power: float = 2.0,
) -> Tensor:
    """Return T^2 times the cross-entropy of student logits [B,K] at T to the teacher's probabilities [B,K] ** power.

    These are made to sum to 1 again; power 1 is KD but for a constant. Raises ConfigError for a power of 0 or below.
    """
    require(0 < power < 100, "mypkg/tempered-ce.power", power, "a number above 0 and below 100")
    sharpened = widened(teacher_probabilities.detach()) ** power
    sharpened = sharpened / sharpened.sum(dim=1, keepdim=True)
    cross_entropy = -(sharpened * (widened(student_logits) / temperature).log_softmax(dim=1)).sum(dim=1).mean()
    return temperature**2 * cross_entropy
