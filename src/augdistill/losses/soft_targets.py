"""What a teacher says, as students learn from it: probabilities at T, and what may be done to its logits before.

Shapes: N or B samples, K classes.
"""

import math

import torch
from torch import Tensor

from augdistill.losses.shared import widened


def teacher_probabilities(teacher_logits: Tensor, temperature: float | Tensor) -> Tensor:
    """Return softmax(logits / T) of teacher logits [B,K]; rescale or standardise these before, where that is wanted."""
    return (widened(teacher_logits) / temperature).softmax(dim=1)


def ensemble_logits(members: Tensor, temperature: float, mean: str) -> Tensor:
    """Return logits [N,K] of several teachers' [M,N,K]: their mean, or those whose softmax at T is their mean softmax.

    `mean` is "logits" or "probabilities"; computed in float64.
    """
    wide = members.double()
    if mean == "logits":
        return wide.mean(dim=0).to(members.dtype)
    logs = (wide / temperature).log_softmax(dim=2).logsumexp(dim=0) - math.log(len(members))
    return (temperature * logs).to(members.dtype)


def logit_sd(logits: Tensor) -> Tensor:
    """Return the s.d. of all logits [N,K] once each row's mean, which a softmax does not see, is removed; in float64.

    Logits times `sd / logit_sd(logits)` have an s.d. of `sd`; the factor belongs to a whole set, not to a batch.
    """
    return logits.double().var(dim=1, correction=0).mean().sqrt()


def zscore(logits: Tensor) -> Tensor:
    """Return logits [B,K] with mean 0 and s.d. 1 over each sample's classes; a sample of equal logits becomes 0.

    This is no logit standardisation as published (arXiv 2403.01427), which does the same to the student and divides by
    the sample s.d.: that is the loss `kd-standardised`.
    """
    sd, mean = torch.std_mean(widened(logits), dim=1, correction=0, keepdim=True)
    return (widened(logits) - mean) / sd.clamp(min=torch.finfo(sd.dtype).tiny)


def class_means(values: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of values [N,K] over the samples of each one's own class, [N,K] of their dtype; labels [N]."""
    members = torch.nn.functional.one_hot(labels).to(torch.float64)
    means = members.T @ values.double() / members.sum(dim=0).clamp(min=1)[:, None]
    return means.to(values.dtype)[labels]
