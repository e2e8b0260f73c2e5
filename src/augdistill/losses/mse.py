"""Logit matching (Ba and Caruana 2014, arXiv 1312.6184; Kim et al. 2021, arXiv 2105.08919)."""

from torch import Tensor
from torch.nn import functional

from augdistill.losses.shared import widened


def loss(student_logits: Tensor, teacher_logits: Tensor, targets: Tensor, temperature: float | Tensor) -> Tensor:
    """Return the mean squared difference of logits [B,K], over samples and classes; without T and `targets`."""
    return functional.mse_loss(widened(student_logits), widened(teacher_logits.detach()))
