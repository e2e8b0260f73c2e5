"""Refined distillation against its definition, a sample and a class at a time in float64, and its limits."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from augdistill.losses import dkd, rld
from by_hand import random_logits


def kl(p: list[Tensor], q: list[Tensor]) -> Tensor:
    """Return the KL of two lists of weights once each adds up to 1."""
    p, q = ([value / sum(values) for value in values] for values in (p, q))
    return sum((a * (a / b).log() for a, b in zip(p, q, strict=True)), torch.zeros((), dtype=torch.float64))


def by_definition(student: Tensor, teacher: Tensor, labels: list[int], t: float, alpha: float, beta: float) -> Tensor:
    """Sections 4.1 and 4.2 of arXiv 2408.07703: masked classes are those whose logit is the target's or larger."""
    total = torch.zeros((), dtype=torch.float64)
    for z, v, label in zip(student, teacher, labels, strict=True):
        q, p = (z / t).softmax(0), (v / t).softmax(0)
        confidence = kl([p.max(), 1 - p.max()], [q[label], 1 - q[label]])
        lower = [k for k in range(len(v)) if v[k] < v[label]]
        masked = kl([p[k] for k in lower], [q[k] for k in lower]) if lower else 0
        total = total + t**2 * (alpha * confidence + beta * masked)
    return total / len(student)


@pytest.mark.parametrize(("alpha", "beta", "t"), [(1.0, 8.0, 4.0), (0.0, 1.0, 1.0), (2.0, 0.0, 20.0)])
def test_values_and_gradients_are_those_of_the_definition(alpha: float, beta: float, t: float) -> None:
    """Of 16 random samples the teacher is right about some, and puts the target last for some."""
    teacher, labels = random_logits(16, 6, seed=1), [k % 6 for k in range(16)]
    ranks = [int((row > row[label]).sum()) for row, label in zip(teacher, labels, strict=True)]
    assert {0, 5} <= {*ranks}
    first, second = (random_logits(16, 6).requires_grad_() for _ in range(2))
    targets = F.one_hot(torch.tensor(labels), 6).double()
    found = rld.loss(first, (teacher / t).softmax(1), targets, t, alpha=alpha, beta=beta)
    expected = by_definition(second, teacher, labels, t, alpha, beta)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, first), torch.autograd.grad(expected, second)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_of_a_teacher_who_is_right_it_is_dkd() -> None:
    teacher = random_logits(12, 6, seed=1)
    targets = F.one_hot(teacher.argmax(1), 6).double()
    values = (random_logits(12, 6), (teacher / 4).softmax(1), targets, 4.0)
    torch.testing.assert_close(rld.loss(*values, alpha=1.0, beta=2.0), dkd.loss(*values, alpha=1.0, beta=2.0))


def test_a_wrong_teachers_favourite_is_not_learnt() -> None:
    """The student's logit of the class that the teacher wrongly prefers moves nothing among the others."""
    teacher, targets = torch.tensor([[0.1, 0.2, 0.4, 0.3]], dtype=torch.float64), torch.eye(4, dtype=torch.float64)[3:]
    student = random_logits(1, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(rld.loss(student, teacher, targets, 1.0, alpha=0.0), student)
    assert gradient[0, 2:].tolist() == [0, 0]
    assert gradient[0, 0] == -gradient[0, 1] != 0


def test_a_target_below_all_classes_leaves_no_correlation() -> None:
    teacher, targets = torch.tensor([[0.1, 0.5, 0.4]], dtype=torch.float64), torch.eye(3, dtype=torch.float64)[:1]
    student = random_logits(1, 3).requires_grad_()
    found = rld.loss(student, teacher, targets, 1.0, alpha=0.0)
    assert found.item() == 0
    assert not torch.autograd.grad(found, student)[0].any()
