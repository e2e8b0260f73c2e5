"""DIST against Pearson's correlation of rows and columns, one by one in float64, and its limits."""

import pytest
import torch
from torch import Tensor

from augdistill.base.errors import ConfigError
from augdistill.losses import dist
from by_hand import random_logits


def correlation(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Return Pearson's r of two lists of numbers, as the authors write it: 1e-8 beside the norms."""
    a, b = ([value - sum(values) / len(values) for value in values] for values in (a, b))
    products = sum(x * y for x, y in zip(a, b, strict=True))
    return products / ((sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5 + 1e-8)


def by_definition(student: Tensor, teacher: Tensor, t: float, beta: float, gamma: float) -> Tensor:
    """Equations 8 to 10 of arXiv 2205.10536, times T^2 as in the authors' code."""
    q, p = (student / t).softmax(1), (teacher / t).softmax(1)
    inter = [1 - correlation([*q[i]], [*p[i]]) for i in range(len(q))]
    intra = [1 - correlation([*q[:, k]], [*p[:, k]]) for k in range(q.shape[1])]
    return t**2 * (beta * sum(inter) / len(inter) + gamma * sum(intra) / len(intra))


@pytest.mark.parametrize(("beta", "gamma", "t"), [(1.0, 1.0, 1.0), (2.0, 0.0, 4.0), (0.0, 2.0, 20.0)])
def test_values_and_gradients_are_those_of_the_definition(beta: float, gamma: float, t: float) -> None:
    teacher, targets = random_logits(6, 5, seed=1), torch.eye(6, 5)
    first, second = (random_logits(6, 5).requires_grad_() for _ in range(2))
    found = dist.loss(first, (teacher / t).softmax(1), targets, t, beta=beta, gamma=gamma)
    expected = by_definition(second, teacher, t, beta, gamma)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, first), torch.autograd.grad(expected, second)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_correlations_are_those_of_torch() -> None:
    first, second = random_logits(7, 5), random_logits(7, 5, seed=1)
    rows = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(first, second, strict=True)]
    torch.testing.assert_close(dist.pearson(first, second, dim=1), torch.stack(rows), rtol=1e-7, atol=0)


def test_the_teacher_itself_has_nothing_left_to_learn_and_its_opposite_all() -> None:
    teacher = random_logits(32, 10).softmax(1)
    assert dist.loss(teacher.log(), teacher, torch.eye(32, 10), 1.0).item() == pytest.approx(0, abs=1e-5)
    assert dist.pearson(-teacher, teacher, dim=1).mean().item() == pytest.approx(-1, abs=1e-6)


def test_a_batch_of_one_has_no_relation_within_classes() -> None:
    student = random_logits(1, 5).requires_grad_()
    found = dist.loss(student, random_logits(1, 5, seed=1).softmax(1), torch.eye(1, 5), 3.0, beta=0.0)
    assert found.item() == 9
    assert not torch.autograd.grad(found, student)[0].any()


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^dist\.gamma=-1\.0 is out of range: a number from 0"):
        dist.loss(random_logits(2, 3), random_logits(2, 3).softmax(1), torch.eye(2, 3), 1.0, gamma=-1.0)
