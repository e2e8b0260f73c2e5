"""Jensen-Shannon divergence of teacher and student (Lin 1991), shares as in Agarwal et al. 2024 (arXiv 2306.13649)."""

import math

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
    share: float = 0.5,
) -> Tensor:
    """Return T^2 (share KL(teacher || m) + (1 - share) KL(student || m)), m their mixture with `share` of the teacher.

    For student logits and teacher's probabilities at T [B,K], in nats, at most T^2 ln 2. Divided by share it becomes KD
    as share goes to 0; divided by 1 - share, the reverse KL as share goes to 1. `targets` are not used, no gradient
    reaches the teacher. Raises ConfigError for a share that is not between 0 and 1.
    """
    require(0 < share < 1, "jensen-shannon.share", share, "a number above 0, below 1")
    student = (widened(student_logits) / temperature).log_softmax(dim=1)
    teacher = widened(teacher_probabilities.detach())
    said = teacher.clamp(min=torch.finfo(teacher.dtype).tiny).log()
    mixture = torch.logaddexp(said + math.log(share), student + math.log(1 - share))
    cells = share * kl_cells(mixture, teacher) + (1 - share) * kl_cells(mixture, student.exp())
    return temperature**2 * cells.sum(dim=1).mean()
