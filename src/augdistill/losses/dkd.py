"""Decoupled knowledge distillation (Zhao et al. 2022, arXiv 2203.08679): KD's two parts with weights of their own."""

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
    """Return T^2 (alpha TCKD + beta NCKD) of student logits and teacher's probabilities at T [B,K], in nats.

    TCKD is the KL of (target class, all others), NCKD that of the other classes among themselves; of mixed `targets`
    [B,K] the target class is the one with the largest share. KD is alpha = 1 and, for each sample, beta = 1 - the
    teacher's probability of its target. No gradient reaches the teacher. Raises ConfigError for a negative weight.
    """
    for name, weight in (("alpha", alpha), ("beta", beta)):
        require(0 <= weight < 1e6, f"dkd.{name}", weight, "a number from 0 to 1e6")
    logits, teacher = widened(student_logits), widened(teacher_probabilities.detach())
    student = (logits / temperature).log_softmax(dim=1)
    is_target = targets.argmax(dim=1, keepdim=True) == torch.arange(logits.shape[1], device=logits.device)
    log_target = student.masked_fill(~is_target, 0).sum(dim=1, keepdim=True)
    log_others = student.masked_fill(is_target, -torch.inf).logsumexp(dim=1, keepdim=True)
    of_target = teacher.masked_fill(~is_target, 0).sum(dim=1, keepdim=True)
    others = teacher.masked_fill(is_target, 0)
    of_others = others.sum(dim=1, keepdim=True)
    target_part = kl_cells(torch.cat([log_target, log_others], 1), torch.cat([of_target, of_others], 1))
    share = others / of_others.clamp(min=torch.finfo(teacher.dtype).tiny)
    other_part = kl_cells((student - log_others).masked_fill(is_target, 0), share).masked_fill(is_target, 0)
    return temperature**2 * (alpha * target_part.sum(dim=1) + beta * other_part.sum(dim=1)).mean()
