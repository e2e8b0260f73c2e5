"""Refined logit distillation (Sun et al. 2024, arXiv 2408.07703): what a teacher gets wrong is left out."""

import torch
from torch import Tensor

from augdistill.base.checks import require
from augdistill.losses.shared import kl_cells, widened


def loss(
    student_logits: Tensor,
    teacher_probabilities: Tensor,
    targets: Tensor,
    temperature: float | Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> Tensor:
    """Return T^2 (alpha SCD + beta MCD) of student logits and teacher's probabilities at T [B,K], in nats.

    Sample confidence (SCD) is the KL from (teacher's largest probability, the rest) to (student's of the target class,
    the rest); masked correlation (MCD) that of the classes to which the teacher gives less than to the target class,
    among themselves, 0 where there is none. Of mixed `targets` [B,K] the target class is that with the largest share.
    The authors' code has a second T for SCD and a warm-up of the whole term, which are not here. No gradient reaches
    the teacher. Raises ConfigError for a negative weight.
    """
    for name, weight in (("alpha", alpha), ("beta", beta)):
        require(0 <= weight < 1e6, f"rld.{name}", weight, "a number from 0 to 1e6")
    logits, teacher = widened(student_logits), widened(teacher_probabilities.detach())
    student = (logits / temperature).log_softmax(dim=1)
    classes = torch.arange(logits.shape[1], device=logits.device)
    is_target = targets.argmax(dim=1, keepdim=True) == classes
    is_top = teacher.argmax(dim=1, keepdim=True) == classes
    is_lower = teacher < teacher.masked_fill(~is_target, 0).sum(dim=1, keepdim=True)
    told, said = torch.cat([among(student, is_target), among(student, ~is_target)], 1), parts(teacher, is_top)
    return temperature**2 * (alpha * kl_cells(told, said).sum(1) + beta * within(student, teacher, is_lower)).mean()


def parts(probabilities: Tensor, mask: Tensor) -> Tensor:
    """Return how much of probabilities [B,K] is where `mask` is true, and elsewhere, [B,2]."""
    return torch.stack([probabilities.masked_fill(~mask, 0).sum(1), probabilities.masked_fill(mask, 0).sum(1)], dim=1)


def among(logs: Tensor, mask: Tensor) -> Tensor:
    """Return the logarithm [B,1] of the sum of what has the logarithms [B,K], where `mask` is true."""
    nothing = torch.finfo(logs.dtype).min / 2  # finite, so that a row without any has a gradient, of 0
    return logs.masked_fill(~mask, nothing).logsumexp(dim=1, keepdim=True)


def within(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return the KL [B] of log-probabilities and probabilities [B,K] among the classes where `mask` is true."""
    share = teacher.masked_fill(~mask, 0)
    share = share / share.sum(dim=1, keepdim=True).clamp(min=torch.finfo(teacher.dtype).tiny)
    cells = kl_cells((student - among(student, mask)).masked_fill(~mask, 0), share)
    return cells.masked_fill(~mask, 0).sum(dim=1)
