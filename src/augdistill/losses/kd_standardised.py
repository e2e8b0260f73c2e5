"""KD of standardised logits (Sun et al. 2024, arXiv 2403.01427): teacher and student are asked for the order alone."""

import torch
from torch import Tensor

from augdistill.losses.kd import kd_divergence
from augdistill.losses.shared import widened
from augdistill.losses.soft_targets import teacher_probabilities


def loss(student_logits: Tensor, teacher_logits: Tensor, targets: Tensor, temperature: float | Tensor) -> Tensor:
    """Return T^2 KL(teacher || student) of logits [B,K] that are standardised on both sides; without `targets`.

    Each sample's temperature is T, the base temperature, times the s.d. of its own logits, in teacher and student
    apart: a student whose logits are a multiple of the teacher's has nothing left to learn.
    """
    teacher = teacher_probabilities(standardised(teacher_logits.detach()), temperature)
    return kd_divergence(standardised(student_logits), teacher, temperature)


def standardised(logits: Tensor) -> Tensor:
    """Return logits [B,K] less their mean over classes, divided by their sample s.d. (K - 1) + 1e-7, as the authors do.

    Of equal logits all become 0.
    """
    sd, mean = torch.std_mean(widened(logits), dim=1, correction=1, keepdim=True)
    return (widened(logits) - mean) / (sd + 1e-7)
