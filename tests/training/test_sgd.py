"""The update against PyTorch's that is not fused: the same numbers, in whichever order tensors lie in memory."""

import copy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from augdistill.training.sgd import SGD, is_copied, sgd

RECIPE = {"lr": torch.tensor(0.1, dtype=torch.float64), "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}


def network(memory: torch.memory_format) -> nn.Module:
    torch.nn.init.normal_(weight := torch.empty(8, 5, 3, 3), generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Conv2d(5, 8, 3), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.copy_(weight)
    return model.double().to(memory_format=memory)


def gradients(model: nn.Module, number: int) -> None:
    for index, value in enumerate(model.parameters()):
        made = torch.randn(value.shape, dtype=value.dtype, generator=torch.Generator().manual_seed(10 * number + index))
        value.grad = torch.empty_like(value).copy_(made)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("changed", [{}, {"nesterov": False}, {"momentum": 0.0, "nesterov": False}])
def test_updates_are_those_that_are_not_fused(memory, changed):
    model = network(memory)
    reference, recipe = copy.deepcopy(model), {**RECIPE, **changed}
    ours, theirs = sgd(model, recipe), torch.optim.SGD(reference.parameters(), **recipe, foreach=False)
    assert isinstance(ours, SGD)
    before = [(value.data_ptr(), value.shape, value.stride()) for value in model.parameters()]
    for number in range(3):
        gradients(model, number)
        gradients(reference, number)
        assert is_copied(model[0].weight) == (memory == torch.channels_last)
        ours.step()
        theirs.step()
    assert [(value.data_ptr(), value.shape, value.stride()) for value in model.parameters()] == before
    for mine, other in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-14, atol=1e-14)
        assert mine.grad.shape == mine.shape
        if recipe["momentum"]:
            buffer, expected = ours.state[mine]["momentum_buffer"], theirs.state[other]["momentum_buffer"]
            torch.testing.assert_close(buffer, expected, rtol=1e-14, atol=1e-14)
            assert buffer.stride() == mine.stride()  # a checkpoint holds it as it lies


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_nothing_is_copied(memory):
    model = network(memory)
    optimizer = sgd(model, RECIPE)
    for number in range(2):
        gradients(model, number)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            optimizer.step()
    names = {event.key for event in seen.key_averages()}
    assert "aten::_fused_sgd_" in names
    assert "aten::clone" not in names


def test_what_has_no_gradient_stays():
    model = network(torch.channels_last)
    before = [value.clone() for value in model.parameters()]
    optimizer = sgd(model, RECIPE)
    optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), before, strict=True))
