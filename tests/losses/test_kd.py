"""KD against torch.nn.functional, loops, 60 decimal digits and finite differences."""

import decimal
import math
from decimal import Decimal

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from augdistill.base.errors import ConfigError
from augdistill.losses.kd import KD_REDUCTIONS, kd_divergence
from augdistill.losses.shared import loss_dtype
from augdistill.losses.soft_targets import teacher_probabilities, zscore
from by_hand import log_softmax_by_hand, random_logits


def kl_by_hand(student: Tensor, teacher: Tensor, temperature: float) -> list[float]:
    """Return KL(teacher || student at T) of each sample."""
    divergences = []
    for z, probabilities in zip(student.tolist(), teacher.tolist(), strict=True):
        logs = log_softmax_by_hand(z, temperature)
        terms = [p * (math.log(p) - log) for p, log in zip(probabilities, logs, strict=True) if p > 0]
        divergences.append(math.fsum(terms))
    return divergences


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("reduction", ["batchmean", "elementwise"])
def test_kd_equals_torch_and_the_loop(temperature, reduction):
    student, teacher = random_logits(16, 10), teacher_probabilities(random_logits(16, 10, seed=1), temperature)
    found = kd_divergence(student, teacher, temperature, reduction)
    cells = F.kl_div(F.log_softmax(student / temperature, dim=1), teacher, reduction="none")
    theirs = cells.sum() / 16 if reduction == "batchmean" else cells.sum() / 160
    torch.testing.assert_close(found, temperature**2 * theirs, rtol=1e-9, atol=1e-12)
    by_hand = temperature**2 * math.fsum(kl_by_hand(student, teacher, temperature)) / 16
    assert found.item() == pytest.approx(by_hand / (1 if reduction == "batchmean" else 10), rel=1e-9)


def test_elementwise_is_a_tenth_of_batchmean_on_ten_classes():
    student, teacher = random_logits(8, 10), random_logits(8, 10, seed=1).softmax(1)
    batchmean, elementwise = (kd_divergence(student, teacher, 4.0, name) for name in KD_REDUCTIONS)
    torch.testing.assert_close(batchmean, 10 * elementwise)


def test_kd_is_zero_for_the_teachers_own_logits():
    logits = random_logits(8, 10)
    assert abs(kd_divergence(logits, teacher_probabilities(logits, 20.0), 20.0).item()) < 1e-12


def test_at_high_temperature_kd_is_half_the_mean_squared_distance_of_centred_logits():
    # T^2 KL -> |z_s - z_t|^2 / (2 K) for logits of zero mean (Hinton et al. 2015, section 2.1)
    student, teacher = (zscore(random_logits(32, 10, seed=seed)) for seed in (0, 1))
    found = kd_divergence(student, teacher_probabilities(teacher, 1e4), 1e4)
    assert found.item() == pytest.approx(((student - teacher) ** 2).sum(1).mean().item() / 20, rel=1e-3)


@pytest.mark.parametrize("reduction", ["batchmean", "elementwise"])
def test_gradients_by_finite_differences(reduction):
    logits, teacher = random_logits(4, 5).requires_grad_(), random_logits(4, 5, seed=1, scale=1.0).softmax(1)
    assert torch.autograd.gradcheck(lambda z: kd_divergence(z, teacher, 3.0, reduction), logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_zeros_in_the_teacher_give_no_nan(dtype):
    teacher = F.one_hot(torch.tensor([0, 2]), 4).to(dtype).requires_grad_()
    student = torch.tensor([[0.0, 1e4, -1e4, 3.0], [1.0, 2.0, 3.0, 4.0]], dtype=dtype, requires_grad=True)
    found = kd_divergence(student, teacher, 1.0)
    assert found.item() == pytest.approx(math.fsum(kl_by_hand(student, teacher, 1.0)) / 2)
    found.backward()
    torch.testing.assert_close(student.grad, (student.softmax(1) - teacher).detach() / 2)
    assert teacher.grad is None


def exactly(student: Tensor, teacher: Tensor, temperature: float) -> tuple[float, Tensor]:
    """Return T^2 KL, averaged over the batch, and its gradient, in 60 decimal digits from the definition."""
    digits = decimal.Context(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
    with decimal.localcontext(digits):
        exact, total, gradients = Decimal(temperature), Decimal(0), []
        for z, t in zip(student.tolist(), teacher.tolist(), strict=True):
            q, p = ([(Decimal(value) / exact).exp() for value in row] for row in (z, t))
            q, p = ([value / sum(row) for value in row] for row in (q, p))
            total += sum(a * (a / b).ln() for a, b in zip(p, q, strict=True))
            gradients.append([float(exact * (b - a) / len(student)) for a, b in zip(p, q, strict=True)])
        return float(exact**2 * total / len(student)), torch.tensor(gradients, dtype=torch.float64)


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 0.05, 0.1, 1.0, 4.0, 20.0, 100.0, 101.0, 1e3, 1e4, 1e6, 1e9])
def test_values_and_gradients_hold_at_every_temperature(temperature, classes):
    # The logits are fp32, as a model's are; those that are nearly equal are where rounding is worst.
    student, teacher = (random_logits(6, classes, seed=seed, dtype=torch.float32) for seed in (0, 1))
    if temperature >= 1:
        teacher[:3] = student[:3] + teacher[:3] / 20
    logits = student.to(loss_dtype(temperature)).requires_grad_()
    found = kd_divergence(logits, teacher_probabilities(teacher.to(logits.dtype), temperature), temperature)
    found.backward()
    value, gradient = exactly(student, teacher, temperature)
    assert found.item() == pytest.approx(value, rel=2e-5)
    assert (logits.grad.double() - gradient).norm() < 1e-4 * gradient.norm()
    assert (logits.grad[:3].double() - gradient[:3]).norm() < 1e-3 * gradient[:3].norm()


@pytest.mark.parametrize("temperature", [1e3, 1e4])
def test_even_fp32_gives_the_value_at_high_temperature(temperature):
    # What is lost is in the fp32 probabilities of the teacher: the sum of terms t ln(t/s) would add T^2 of its own.
    student, teacher = (random_logits(32, 2, seed=seed, dtype=torch.float32) for seed in (0, 1))
    found = kd_divergence(student, teacher_probabilities(teacher, temperature), temperature)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exactly(student, teacher, temperature)[0], rel=1e-3)


@pytest.mark.parametrize("reduction", ["batchmean", "elementwise"])
def test_in_fp32_the_gradient_is_bit_for_bit_that_of_the_cross_entropy(reduction):
    student = random_logits(16, 10, dtype=torch.float32).requires_grad_()
    teacher = teacher_probabilities(random_logits(16, 10, seed=1, dtype=torch.float32), 20.0)
    (found,) = torch.autograd.grad(kd_divergence(student, teacher, 20.0, reduction), student)
    terms = teacher * (teacher.log() - (student / 20).log_softmax(1))
    plain = 20.0**2 * (terms.sum(1).mean() if reduction == "batchmean" else terms.mean())
    assert torch.equal(found, torch.autograd.grad(plain, student)[0])


def test_temperatures_may_differ_in_a_stack():
    student, teacher = random_logits(3, 8, 10), random_logits(3, 8, 10, seed=1)
    temperatures = torch.tensor([1.0, 4.0, 20.0], dtype=torch.float64)

    def loss(student, teacher, temperature):
        return kd_divergence(student, teacher_probabilities(teacher, temperature), temperature)

    stacked = vmap(loss)(student, teacher, temperatures)
    alone = [loss(student[i], teacher[i], float(temperatures[i])) for i in range(3)]
    torch.testing.assert_close(stacked, torch.stack(alone))


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ConfigError, match=r"^kd\.reduction=mean is unknown.*batchmean, elementwise$"):
        kd_divergence(random_logits(2, 3), random_logits(2, 3).softmax(1), 4.0, "mean")
