"""Decoupled distillation against the formula of its authors' code, written anew in float64, and its limit, plain KD."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from augdistill.losses import dkd, kd


def logits(seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(16, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_logits(student: Tensor, teacher: Tensor, labels: Tensor, alpha: float, beta: float, t: float) -> Tensor:
    """Equations 7 and 8 of arXiv 2203.08679: the target's class is masked out of the logits, sample by sample."""
    total = torch.zeros((), dtype=torch.float64)
    for z, v, label in zip(student, teacher, labels.tolist(), strict=True):
        p, q = (z / t).softmax(0), (v / t).softmax(0)
        binary = [torch.stack([x[label], 1 - x[label]]) for x in (p, q)]
        others = [torch.cat([x[:label], x[label + 1 :]]) / t for x in (z, v)]
        target_part = F.kl_div(binary[0].log(), binary[1], reduction="sum")
        other_part = F.kl_div(others[0].log_softmax(0), others[1].softmax(0), reduction="sum")
        total = total + t**2 * (alpha * target_part + beta * other_part)
    return total / len(student)


@pytest.mark.parametrize(("alpha", "beta", "t"), [(1.0, 8.0, 4.0), (0.0, 1.0, 1.0), (2.0, 0.0, 20.0)])
def test_values_and_gradients_are_those_of_the_formula(alpha: float, beta: float, t: float) -> None:
    teacher, labels = logits(1), torch.arange(16) % 10
    targets, first, second = F.one_hot(labels, 10).double(), logits(0).requires_grad_(), logits(0).requires_grad_()
    found = dkd.loss(first, (teacher / t).softmax(1), targets, t, alpha=alpha, beta=beta)
    expected = by_logits(second, teacher, labels, alpha, beta, t)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, first), torch.autograd.grad(expected, second)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_with_the_teachers_own_weight_of_the_others_it_is_kd() -> None:
    """Equation 6: KD = TCKD + (1 - p_t of the teacher) NCKD, for one sample at a time."""
    t = 4.0
    teacher, targets = (logits(1) / t).softmax(1), torch.eye(10, dtype=torch.float64)
    for row in range(10):
        its = slice(row, row + 1)
        share = float(1 - teacher[row, row])
        found = dkd.loss(logits(0)[its], teacher[its], targets[its], t, alpha=1.0, beta=share)
        torch.testing.assert_close(found, kd.loss(logits(0)[its], teacher[its], targets[its], t), rtol=1e-10, atol=0)


def test_of_two_classes_it_is_alpha_times_kd() -> None:
    """There is one class beside the target: nothing is left among the others."""
    student, teacher, targets = logits(0)[:, :2], logits(1)[:, :2].softmax(1), torch.eye(2, dtype=torch.float64)
    rows = targets[torch.arange(16) % 2]
    found = dkd.loss(student, teacher, rows, 1.0, alpha=3.0, beta=100.0)
    torch.testing.assert_close(found, 3 * kd.loss(student, teacher, rows, 1.0), rtol=1e-10, atol=0)


def test_of_mixed_labels_the_larger_one_is_the_target() -> None:
    one, other = torch.eye(10, dtype=torch.float64)[:8], torch.eye(10, dtype=torch.float64)[2:]
    student, teacher = logits(0)[:8], logits(1)[:8].softmax(1)
    mixed = dkd.loss(student, teacher, 0.6 * one + 0.4 * other, 1.0)
    assert torch.equal(mixed, dkd.loss(student, teacher, one, 1.0))
