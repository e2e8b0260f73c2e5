"""The cross-entropy to soft targets, the whole loss and its precision, against torch and loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from augdistill.base.errors import ConfigError
from augdistill.losses import kd
from augdistill.losses.kd import kd_divergence
from augdistill.losses.shared import distillation_loss, kl_cells, loss_dtype, soft_cross_entropy
from augdistill.losses.soft_targets import teacher_probabilities, zscore
from by_hand import log_softmax_by_hand, random_logits


def cross_entropy_by_hand(logits: Tensor, targets: Tensor) -> float:
    rows = [
        -math.fsum(target * log for target, log in zip(t, log_softmax_by_hand(z, 1.0), strict=True))
        for z, t in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    return math.fsum(rows) / len(rows)


def test_soft_cross_entropy_equals_torch_and_the_loop():
    logits, targets = random_logits(16, 10), random_logits(16, 10, seed=1).softmax(1)
    found = soft_cross_entropy(logits, targets)
    torch.testing.assert_close(found, F.cross_entropy(logits, targets))
    assert found.item() == pytest.approx(cross_entropy_by_hand(logits, targets), rel=1e-12)


@given(lam=st.floats(0, 1), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_a_mixed_target_gives_the_mixed_loss(lam, seed):
    logits = random_logits(6, 5, seed=seed)
    a, b = torch.randint(5, (2, 6), generator=torch.Generator().manual_seed(seed))
    mixed = lam * F.one_hot(a, 5).double() + (1 - lam) * F.one_hot(b, 5).double()
    expected = lam * F.cross_entropy(logits, a) + (1 - lam) * F.cross_entropy(logits, b)
    torch.testing.assert_close(soft_cross_entropy(logits, mixed), expected, rtol=1e-12, atol=1e-12)


def test_gradients_of_the_cross_entropy_by_finite_differences():
    logits, targets = random_logits(4, 5).requires_grad_(), random_logits(4, 5, seed=1, scale=1.0).softmax(1)
    assert torch.autograd.gradcheck(lambda z: soft_cross_entropy(z, targets), logits)


def test_sums_are_in_fp32_at_least():
    logits = random_logits(64, 100, dtype=torch.bfloat16)
    targets = random_logits(64, 100, seed=1).softmax(1).bfloat16()
    for loss in (soft_cross_entropy(logits, targets), kd_divergence(logits, targets, 4.0)):
        assert loss.dtype == torch.float32
    exact = soft_cross_entropy(logits.double(), targets.double())
    assert exact.dtype == torch.float64
    torch.testing.assert_close(soft_cross_entropy(logits, targets).double(), exact, rtol=1e-5, atol=0)
    assert teacher_probabilities(logits, 4.0).dtype == torch.float32
    assert teacher_probabilities(logits.double(), 4.0).dtype == torch.float64
    assert zscore(logits).dtype == torch.float32


@pytest.mark.parametrize("temperature", [0.0, 9e-7, 1.1e9, math.inf, math.nan])
def test_temperatures_at_which_no_gradient_would_be_right_are_refused(temperature):
    with pytest.raises(ConfigError, match=r"^distillation\.temperature=.* 1e-6 to 1e9"):
        loss_dtype(temperature)


def test_the_whole_loss_is_the_weighted_sum_and_tells_its_parts() -> None:
    student, targets = random_logits(8, 5).requires_grad_(), random_logits(8, 5, seed=1).softmax(1)
    again = student.detach().clone().requires_grad_()

    def term(logits, teacher, targets, temperature):
        return temperature * (logits * teacher * targets).sum()

    teacher = random_logits(8, 5, seed=2)
    total, ce, from_teacher = distillation_loss(student, targets, teacher, 0.3, 0.7, 4.0, term)
    expected = 0.3 * F.cross_entropy(again, targets) + 0.7 * 4 * (again * teacher * targets).sum()
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(ce, F.cross_entropy(again, targets), rtol=1e-12, atol=0)
    torch.testing.assert_close(from_teacher, 4 * (again * teacher * targets).sum(), rtol=1e-12, atol=0)
    (total + 5 * ce + 5 * from_teacher).backward()  # the parts have no gradients of their own
    expected.backward()
    torch.testing.assert_close(student.grad, again.grad, rtol=1e-12, atol=1e-15)


def test_samples_without_a_label_have_the_teachers_term_alone() -> None:
    student, targets, teacher = (
        random_logits(4, 5),
        torch.eye(4, 5, dtype=torch.float64),
        random_logits(4, 5).softmax(1),
    )
    has_label = torch.tensor([True, False, True, False])
    found = distillation_loss(student, targets, teacher, 0.1, 9.0, 4.0, kd.loss, has_label)
    cross_entropy = F.cross_entropy(student[[0, 2]], targets[[0, 2]], reduction="sum") / 4
    expected = 0.1 * cross_entropy + 9 * kd.loss(student, teacher, targets, 4.0)
    torch.testing.assert_close(found[0], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(found[1], cross_entropy, rtol=1e-12, atol=0)


def test_cells_are_never_negative_and_add_up_to_the_divergence() -> None:
    student, teacher = random_logits(8, 5), random_logits(8, 5, seed=1).softmax(1)
    cells = kl_cells(student.log_softmax(1), teacher)
    assert (cells >= 0).all()
    torch.testing.assert_close(cells.sum(1), F.kl_div(student.log_softmax(1), teacher, reduction="none").sum(1))
    assert torch.equal(kl_cells(teacher.log(), teacher), torch.zeros_like(teacher))


@pytest.mark.parametrize(
    ("temperature", "dtype"), [(0.099, torch.float64), (0.1, torch.float32), (100, torch.float32), (101, torch.float64)]
)
def test_far_from_usual_temperatures_fp32_does_not_do(temperature: float, dtype: torch.dtype) -> None:
    assert loss_dtype(temperature) == dtype
