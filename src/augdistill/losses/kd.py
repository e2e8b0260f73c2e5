"""Knowledge distillation (Hinton et al. 2015, arXiv 1503.02531): T^2 KL(teacher || student), both softened at T."""

from collections.abc import Callable

import torch
from torch import Tensor

from augdistill.base.checks import one_of
from augdistill.losses.shared import kl_cells, widened


def loss(
    student_logits: Tensor,
    teacher_probabilities: Tensor,
    targets: Tensor,
    temperature: float | Tensor,
    *,
    reduction: str = "batchmean",
) -> Tensor:
    """Return the KD term of student logits and teacher's probabilities at T [B,K]; `targets` are not used."""
    return kd_divergence(student_logits, teacher_probabilities, temperature, reduction)


def kd_divergence(
    student_logits: Tensor, teacher_probabilities: Tensor, temperature: float | Tensor, reduction: str = "batchmean"
) -> Tensor:
    """Return T^2 * KL(teacher || student at T) for logits and probabilities at T [B,K], in nats (Hinton et al. 2015).

    0 log 0 = 0; no gradient reaches the teacher. `reduction` "batchmean" sums over classes and averages over the batch;
    "elementwise", which is what the paper's authors' code did, averages over both and so is K times smaller. The value
    is computed in float64; its gradient in the inputs' precision, which should be `loss_dtype(temperature)`.
    Raises ConfigError for another reduction.
    """
    one_of("kd.reduction", reduction, KD_REDUCTIONS)
    reduce = KD_REDUCTIONS[reduction]
    logits, teacher = widened(student_logits), widened(teacher_probabilities.detach())
    if logits.dtype == torch.float64:
        return temperature**2 * reduce(kl_cells((logits / temperature).log_softmax(dim=1), teacher))
    student = (logits.detach().double() / temperature).log_softmax(dim=1)
    value = temperature**2 * reduce(kl_cells(student, teacher.double()))
    # The cross-entropy has the gradient of the KL; in fp32 its own value, of size T^2 ln K, would round the KL away.
    gradient = -(temperature**2) * reduce(teacher * (logits / temperature).log_softmax(dim=1))
    return value.to(gradient.dtype) + (gradient - gradient.detach())


KD_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "batchmean": lambda divergence: divergence.sum(dim=1).mean(),
    "elementwise": lambda divergence: divergence.mean(),
}
