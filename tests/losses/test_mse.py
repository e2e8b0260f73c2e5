"""Logit matching: a mean squared difference, of which the teacher learns nothing."""

import pytest
import torch

from augdistill.losses import mse
from by_hand import random_logits


def test_logits_are_matched_by_their_mean_squared_difference() -> None:
    student, teacher = random_logits(16, 10).requires_grad_(), random_logits(16, 10, seed=1).requires_grad_()
    found = mse.loss(student, teacher, torch.eye(16, 10), 4.0)
    assert found.item() == pytest.approx(float(((student - teacher).detach() ** 2).sum() / 160), rel=1e-12)
    found.backward()
    torch.testing.assert_close(student.grad, (2 / 160 * (student - teacher)).detach())
    assert teacher.grad is None
