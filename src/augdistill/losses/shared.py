"""What student losses share: the label's cross-entropy, the divergence of two distributions, how precise they must be.

Shapes: B samples, K classes. Logits and targets narrower than fp32 are widened first; float64 stays float64.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from augdistill.base.checks import require

Term = Callable[[Tensor, Tensor, Tensor, float | Tensor], Tensor]
"""student logits, the teacher's probabilities or logits, targets [B,K], T -> the teacher's term of the loss"""


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of logits [B,K] to target probabilities [B,K], averaged over the batch, in nats.

    With the mixed target lam * onehot(a) + (1 - lam) * onehot(b) this is lam * CE(a) + (1 - lam) * CE(b).
    """
    return -(widened(targets) * widened(logits).log_softmax(dim=1)).sum(dim=1).mean()


def distillation_loss(
    logits: Tensor,
    targets: Tensor,
    teacher: Tensor,
    label_weight: float | Tensor,
    teacher_weight: float | Tensor,
    temperature: float | Tensor,
    term: Term,
    has_label: Tensor | None = None,
) -> Tensor:
    """Return [3]: label_weight CE + teacher_weight term, and CE and the term without their gradients.

    `targets` [B,K] are the label's probabilities, `teacher` [B,K] what the term learns from. Samples where `has_label`
    [B] is false have a cross-entropy of 0; the mean stays that over all.
    """
    labels = targets if has_label is None else targets * has_label[:, None]
    cross_entropy = soft_cross_entropy(logits, labels)
    from_teacher = term(logits, teacher, targets, temperature)
    total = label_weight * cross_entropy + teacher_weight * from_teacher
    return torch.stack([total, cross_entropy.detach(), from_teacher.detach()])


def kl_cells(student: Tensor, teacher: Tensor) -> Tensor:
    """Return t (s/t - 1 - ln(s/t)) for the student's log-probabilities and the teacher's probabilities [B,K].

    Over classes they add up to KL(teacher || student), as both sum to 1. None is negative, so that at high T, where the
    terms t ln(t/s) are of both signs and nearly cancel, nothing is lost.
    """
    teacher = teacher.clamp(min=torch.finfo(teacher.dtype).tiny)
    log_ratio = student - teacher.log()
    return teacher * (log_ratio.expm1() - log_ratio)


def loss_dtype(temperature: float) -> torch.dtype:
    """Return fp32 for temperatures from 0.1 to 100, else float64.

    The KD term's gradient is T times the difference of two softmaxes. Far above 100 they differ in the last digits of
    fp32 alone; far below 0.1 the rounding of logits / T shifts their exponents. Either way 1e-3 of it would be lost, as
    it would in float64 from 1e-9 down and from 1e12 up. Raises ConfigError outside 1e-6 to 1e9.
    """
    require(1e-6 <= temperature <= 1e9, "distillation.temperature", temperature, "1e-6 to 1e9")
    return torch.float32 if 0.1 <= temperature <= 100 else torch.float64


def widened(values: Tensor) -> Tensor:
    """Return `values` in fp32, or in float64 if they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
