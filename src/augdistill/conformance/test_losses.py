"""The contract of student losses: pure, differentiable, without a host synchronisation, in a bank as alone."""

from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from augdistill.base.errors import ConfigError
from augdistill.config import parameters
from augdistill.conformance import entries, normal
from augdistill.losses import LOSSES, build
from augdistill.losses.shared import Term, distillation_loss

BATCH, CLASSES, T = 6, 7, 3.0
every_loss = pytest.mark.parametrize("name", entries("LOSSES"))


def term(name: str) -> Term:
    """Return a loss with its defaults."""
    return build(name, **parameters("loss", name))


def inputs(name: str, seed: int = 0, scale: float = 3.0, hard: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Return student logits, what the loss learns from of the teacher, and targets, hard or mixed."""
    student, teacher = (normal(BATCH, CLASSES, seed=seed + i, scale=scale) for i in range(2))
    if LOSSES[name].learns_from == "probabilities":
        teacher = (teacher / T).softmax(1)
    mixed = normal(BATCH, CLASSES, seed=seed + 2).softmax(1)
    one = torch.eye(CLASSES, dtype=torch.float64)[mixed.argmax(1)]
    return student, teacher, one if hard else 0.7 * one + 0.3 * one.roll(1, 0)


def cases(name: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield ordinary inputs, mixed targets, and logits so large that probabilities are 0 and 1."""
    yield inputs(name)
    yield inputs(name, seed=5, hard=False)
    yield inputs(name, seed=9, scale=100.0)


@every_loss
def test_the_loss_is_one_finite_number_with_finite_gradients_for_the_student_alone(name: str) -> None:
    for student, teacher, targets in cases(name):
        for dtype in (torch.float64, torch.float32):
            leaves = [value.to(dtype).requires_grad_() for value in (student, teacher)]
            found = term(name)(leaves[0], leaves[1], targets.to(dtype), T)
            assert (found.shape, found.dtype) == ((), dtype)
            assert found.isfinite()
            gradient, none = torch.autograd.grad(found, leaves, allow_unused=True)
            assert gradient.isfinite().all()
            assert gradient.abs().max() > 0
            assert none is None or not none.any(), "a gradient reaches the teacher"


@every_loss
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    student, teacher, targets = inputs(name)
    assert torch.autograd.gradcheck(lambda z: term(name)(z, teacher, targets, T), student.requires_grad_())


@every_loss
def test_inputs_are_left_alone_and_the_loss_is_the_same_again(name: str) -> None:
    values = inputs(name)
    copies = [value.clone() for value in values]
    first, again = (term(name)(*values, T) for _ in range(2))
    assert torch.equal(first, again)
    assert all(torch.equal(*pair) for pair in zip(values, copies, strict=True))


@every_loss
def test_half_precision_is_widened(name: str) -> None:
    student, teacher, targets = (value.to(torch.bfloat16) for value in inputs(name))
    wide = term(name)(student.float(), teacher.float(), targets.float(), T)
    torch.testing.assert_close(term(name)(student, teacher, targets, T), wide)


@every_loss
def test_no_value_is_asked_of_the_device(name: str) -> None:
    """On the meta device there are no values: reading one, or a shape that depends on one, raises."""
    student, teacher, targets = (value.to("meta") for value in inputs(name))
    temperature = torch.tensor(T, device="meta")
    # PyTorch has no types here
    term(name)(student.requires_grad_(), teacher, targets, temperature).backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None


@every_loss
def test_in_a_bank_it_is_what_it_is_alone(name: str) -> None:
    """Under vmap, with weights and temperatures of each member: values and gradients, in float64."""
    if not LOSSES[name].stacks:
        pytest.skip(f"{name} says that no bank can take it")
    members = [inputs(name, seed) for seed in (0, 20, 40)]
    numbers = [(0.5, 0.5, 1.0), (0.0, 2.0, 4.0), (1.0, 0.0, 20.0)]
    stacked = [torch.stack(values) for values in zip(*members, strict=True)]
    columns = [torch.tensor(column, dtype=torch.float64) for column in zip(*numbers, strict=True)]
    student = stacked[0].requires_grad_()
    found = vmap(partial(distillation_loss, term=term(name)))(student, *stacked[1:], *columns)
    (gradients,) = torch.autograd.grad(found[:, 0].sum(), student)
    for index, (values, own) in enumerate(zip(members, numbers, strict=True)):
        logits = values[0].detach().requires_grad_()
        alone = distillation_loss(logits, *values[1:], *own, term=term(name))
        (gradient,) = torch.autograd.grad(alone[0], logits)
        torch.testing.assert_close(found[index], alone, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(gradients[index], gradient, rtol=1e-10, atol=1e-12)


@every_loss
def test_a_parameter_that_it_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^distillation\.loss\.nonsense is not a config key"):
        build(name, nonsense=1)
