"""The Jensen-Shannon divergence against SciPy and its definition, and what it becomes at its ends."""

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import Tensor

from augdistill.base.errors import ConfigError
from augdistill.losses import jensen_shannon, kd
from by_hand import random_logits


def by_definition(student: Tensor, teacher: Tensor, t: float, share: float) -> Tensor:
    """Return T^2 times the shares' entropies: H(m) - share H(teacher) - (1 - share) H(student), class by class."""

    def entropy(p: list[Tensor]) -> Tensor:
        return -sum(value * value.log() for value in p)

    total = torch.zeros((), dtype=torch.float64)
    for z, p in zip(student, teacher, strict=True):
        q = [*(z / t).softmax(0)]
        mixture = [share * a + (1 - share) * b for a, b in zip(p, q, strict=True)]
        total = total + t**2 * (entropy(mixture) - share * entropy([*p]) - (1 - share) * entropy(q))
    return total / len(student)


@pytest.mark.parametrize(("share", "t"), [(0.5, 1.0), (0.1, 4.0), (0.9, 20.0)])
def test_values_and_gradients_are_those_of_the_definition(share: float, t: float) -> None:
    teacher, targets = (random_logits(6, 5, seed=1) / t).softmax(1), torch.eye(6, 5)
    first, second = (random_logits(6, 5).requires_grad_() for _ in range(2))
    found = jensen_shannon.loss(first, teacher, targets, t, share=share)
    expected = by_definition(second, teacher, t, share)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    (ours,), (theirs,) = torch.autograd.grad(found, first), torch.autograd.grad(expected, second)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-12)


def test_of_equal_shares_it_is_scipys_and_the_same_the_other_way_round() -> None:
    student, teacher, targets = random_logits(8, 5), random_logits(8, 5, seed=1), torch.eye(8, 5)
    found = jensen_shannon.loss(student, teacher.softmax(1), targets, 1.0)
    expected = (jensenshannon(student.softmax(1), teacher.softmax(1), axis=1) ** 2).mean()
    assert found.item() == pytest.approx(expected, rel=1e-10)
    torch.testing.assert_close(found, jensen_shannon.loss(teacher, student.softmax(1), targets, 1.0))


def test_at_its_ends_it_is_kd_and_the_reverse_kl() -> None:
    student, teacher, targets = random_logits(8, 5), random_logits(8, 5, seed=1), torch.eye(8, 5)
    few = jensen_shannon.loss(student, (teacher / 4).softmax(1), targets, 4.0, share=1e-7) / 1e-7
    assert few.item() == pytest.approx(kd.loss(student, (teacher / 4).softmax(1), targets, 4.0).item(), rel=1e-4)
    most = jensen_shannon.loss(student, (teacher / 4).softmax(1), targets, 4.0, share=1 - 1e-7) / 1e-7
    assert most.item() == pytest.approx(kd.loss(teacher, (student / 4).softmax(1), targets, 4.0).item(), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_of_distributions_that_do_not_meet_it_is_ln_2(dtype: torch.dtype) -> None:
    student = torch.tensor([[1e4, -1e4, 0.0]], dtype=dtype, requires_grad=True)
    found = jensen_shannon.loss(student, torch.tensor([[0.0, 1.0, 0.0]], dtype=dtype), torch.eye(1, 3), 1.0)
    assert found.item() == pytest.approx(math.log(2), rel=1e-5)
    assert torch.autograd.grad(found, student)[0].isfinite().all()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_that_mixes_nothing_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=r"^jensen-shannon\.share=.* is out of range: a number above 0, below 1"):
        jensen_shannon.loss(random_logits(2, 3), random_logits(2, 3).softmax(1), torch.eye(2, 3), 1.0, share=share)
