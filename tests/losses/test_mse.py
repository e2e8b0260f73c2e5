"""Logit matching: a mean squared difference, of which the teacher learns nothing."""

import pytest
import torch

from augdistill.losses import kd, mse
from augdistill.losses.soft_targets import teacher_probabilities
from by_hand import random_logits


def test_logits_are_matched_by_their_mean_squared_difference() -> None:
    student, teacher = random_logits(16, 10).requires_grad_(), random_logits(16, 10, seed=1).requires_grad_()
    found = mse.loss(student, teacher, torch.eye(16, 10), 4.0)
    assert found.item() == pytest.approx(float(((student - teacher).detach() ** 2).sum() / 160), rel=1e-12)
    found.backward()
    torch.testing.assert_close(student.grad, (2 / 160 * (student - teacher)).detach())
    assert teacher.grad is None


def test_of_centred_logits_it_is_twice_kd_at_high_temperature() -> None:
    # T^2 KL -> |z_s - z_t|^2 / (2 K) for logits of zero mean (Kim et al. 2021, equation 4; Hinton et al. 2015, 2.1)
    student, teacher = (z - z.mean(1, keepdim=True) for z in (random_logits(16, 10), random_logits(16, 10, seed=1)))
    found = kd.loss(student, teacher_probabilities(teacher, 1e5), torch.eye(16, 10), 1e5)
    assert mse.loss(student, teacher, torch.eye(16, 10), 1.0).item() == pytest.approx(2 * found.item(), rel=1e-3)
