"""Logit standardisation against algorithm 1 of arXiv 2403.01427, class by class in float64, and what it is blind to."""

import math

import pytest
import torch
from torch import Tensor

from augdistill.losses import kd, kd_standardised
from augdistill.losses.soft_targets import teacher_probabilities, zscore
from by_hand import random_logits


def by_definition(student: Tensor, teacher: Tensor, t: float) -> Tensor:
    """Return T^2 KL of Z(v) and Z(z), Z(x) = (x - mean) / s.d., s.d. with K - 1, summed class by class."""
    total = torch.zeros((), dtype=torch.float64)
    for z, v in zip(student, teacher, strict=True):
        logs = []
        for x in (v, z):
            mean = sum(x) / len(x)
            sd = (sum((value - mean) ** 2 for value in x) / (len(x) - 1)) ** 0.5 + 1e-7
            scores = [(value - mean) / sd / t for value in x]
            norm = sum(score.exp() for score in scores).log()
            logs.append([score - norm for score in scores])
        total = total + t**2 * sum(p.exp() * (p - q) for p, q in zip(*logs, strict=True))
    return total / len(student)


@pytest.mark.parametrize("t", [1.0, 2.0, 20.0])
def test_values_and_gradients_are_those_of_the_definition(t: float) -> None:
    teacher, targets = random_logits(6, 10, seed=1), torch.eye(6, 10)
    first, second = (random_logits(6, 10).requires_grad_() for _ in range(2))
    found, expected = kd_standardised.loss(first, teacher, targets, t), by_definition(second, teacher, t)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, first), torch.autograd.grad(expected, second)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_it_does_not_see_scale_and_shift_on_either_side_as_kd_with_a_zscored_teacher_does() -> None:
    student, teacher, targets = random_logits(8, 10), random_logits(8, 10, seed=1), torch.eye(8, 10)
    plain = kd_standardised.loss(student, teacher, targets, 2.0)
    for a, b in ((3 * student + 5, teacher), (student, 0.2 * teacher - 7)):
        torch.testing.assert_close(kd_standardised.loss(a, b, targets, 2.0), plain, rtol=1e-6, atol=0)
    assert kd_standardised.loss(4 * teacher, teacher, targets, 2.0).item() == pytest.approx(0, abs=1e-12)
    one_side = [kd.loss(z, teacher_probabilities(zscore(teacher), 2.0), targets, 2.0) for z in (student, 3 * student)]
    assert one_side[1] > 2 * one_side[0]


def test_the_teacher_is_divided_by_the_sample_sd_and_zscore_by_that_of_the_population() -> None:
    logits = random_logits(8, 10)
    ratio = zscore(logits) / kd_standardised.standardised(logits)
    torch.testing.assert_close(ratio, torch.full_like(ratio, math.sqrt(10 / 9)), rtol=1e-6, atol=0)


def test_at_high_temperature_it_is_k_minus_1_over_k_times_what_the_correlation_lacks() -> None:
    # KD becomes |a - b|^2 / (2 K); of standardised a and b this is (K - 1) / K (1 - Pearson's r).
    student, teacher = random_logits(16, 10), random_logits(16, 10, seed=1)
    rows = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(student, teacher, strict=True)])
    found = kd_standardised.loss(student, teacher, torch.eye(16, 10), 1e4)
    assert found.item() == pytest.approx(0.9 * float(1 - rows.mean()), rel=1e-3)


def test_equal_logits_give_finite_gradients() -> None:
    student = torch.ones(2, 4, requires_grad=True)
    kd_standardised.loss(student, random_logits(2, 4).float(), torch.eye(2, 4), 2.0).backward()
    assert student.grad is not None
    assert student.grad.isfinite().all()
