"""Losses: soft cross-entropy, knowledge distillation, and what may be done to a teacher's logits before.

Shapes: B samples, K classes. Logits and targets narrower than fp32 are widened first; float64 stays float64.
Temperatures may be tensors of no dimensions, so that students with different ones can be stacked.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from augdistill.base.checks import one_of, require


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of logits [B,K] to target probabilities [B,K], averaged over the batch, in nats.

    With the mixed target lam * onehot(a) + (1 - lam) * onehot(b) this is lam * CE(a) + (1 - lam) * CE(b).
    """
    return -(widened(targets) * widened(logits).log_softmax(dim=1)).sum(dim=1).mean()


def kd_divergence(
    student_logits: Tensor, teacher_probabilities: Tensor, temperature: float | Tensor, reduction: str = "batchmean"
) -> Tensor:
    """Return T^2 * KL(teacher || student at T) for logits and probabilities at T [B,K], in nats (Hinton et al. 2015).

    0 log 0 = 0; no gradient reaches the teacher. `reduction` "batchmean" sums over classes and averages over the batch;
    "elementwise", which is what the paper's authors' code did, averages over both and so is K times smaller. The value
    is computed in float64; its gradient in the inputs' precision, which should be `loss_dtype(temperature)`.
    Raises ConfigError for another reduction.
    """
    one_of("distillation.reduction", reduction, KD_REDUCTIONS)
    reduce = KD_REDUCTIONS[reduction]
    logits, teacher = widened(student_logits), widened(teacher_probabilities.detach())
    if logits.dtype == torch.float64:
        return temperature**2 * reduce(kl_cells((logits / temperature).log_softmax(dim=1), teacher))
    student = (logits.detach().double() / temperature).log_softmax(dim=1)
    value = temperature**2 * reduce(kl_cells(student, teacher.double()))
    # The cross-entropy has the gradient of the KL; in fp32 its own value, of size T^2 ln K, would round the KL away.
    gradient = -(temperature**2) * reduce(teacher * (logits / temperature).log_softmax(dim=1))
    return value.to(gradient.dtype) + (gradient - gradient.detach())


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


def distillation_loss(
    logits: Tensor,
    targets: Tensor,
    taught: Tensor,
    alpha: float | Tensor,
    temperature: float | Tensor,
    reduction: str = "batchmean",
) -> Tensor:
    """Return [3]: (1 - alpha) CE + alpha KD, and CE and KD without their gradients.

    `targets` [B,K] are the label's probabilities, `taught` [B,K] the teacher's at T. Raises ConfigError.
    """
    cross_entropy = soft_cross_entropy(logits, targets)
    kd = kd_divergence(logits, taught, temperature, reduction)
    return torch.stack([(1 - alpha) * cross_entropy + alpha * kd, cross_entropy.detach(), kd.detach()])


def teacher_probabilities(teacher_logits: Tensor, temperature: float | Tensor) -> Tensor:
    """Return softmax(logits / T) of teacher logits [B,K]; rescale or standardise these before, where that is wanted."""
    return (widened(teacher_logits) / temperature).softmax(dim=1)


def logit_sd(logits: Tensor) -> Tensor:
    """Return the s.d. of all logits [N,K] once each row's mean, which a softmax does not see, is removed; in float64.

    Logits times `sd / logit_sd(logits)` have an s.d. of `sd`; the factor belongs to a whole set, not to a batch.
    """
    return logits.double().var(dim=1, correction=0).mean().sqrt()


def zscore(logits: Tensor) -> Tensor:
    """Return logits [B,K] with mean 0 and s.d. 1 over each sample's classes; a sample of equal logits becomes 0."""
    sd, mean = torch.std_mean(widened(logits), dim=1, correction=0, keepdim=True)
    return (widened(logits) - mean) / sd.clamp(min=torch.finfo(sd.dtype).tiny)


def class_means(values: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of values [N,K] over the samples of each one's own class, [N,K] of their dtype; labels [N]."""
    members = torch.nn.functional.one_hot(labels).to(torch.float64)
    means = members.T @ values.double() / members.sum(dim=0).clamp(min=1)[:, None]
    return means.to(values.dtype)[labels]


def widened(values: Tensor) -> Tensor:
    """Return `values` in fp32, or in float64 if they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


KD_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "batchmean": lambda divergence: divergence.sum(dim=1).mean(),
    "elementwise": lambda divergence: divergence.mean(),
}
