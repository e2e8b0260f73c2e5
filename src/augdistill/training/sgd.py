"""The rate of each step, and fused SGD without the copies that PyTorch makes of gradients in channels last."""

import math
from typing import Any

import torch
from torch import Tensor, nn

LAST, BACK = (0, 2, 3, 1), (0, 3, 1, 2)  # the order of channels last in memory, and from it the usual one


def learning_rate(recipe: dict[str, Any], step: int, steps: int) -> float:
    """Return the rate of a step, of `steps` an epoch: linear warm-up, then the schedule.

    A one-cycle schedule falls in equal steps from its last one of warm-up to 0, where the step after the last would be.
    """
    if recipe["schedule"] == "one-cycle":
        count = recipe["epochs"] * steps
        peak = max(recipe["warmup_share"] * count, 1.0)  # the step at which it is reached, from 1
        return float(recipe["lr"] * min((step + 1) / peak, (count - step) / (count + 1 - peak)))
    warmup, epoch = recipe["warmup_epochs"], step / steps
    if step + 1 < warmup * steps:
        return float(recipe["lr"] * (step + 1) / (warmup * steps))
    if recipe["schedule"] == "cosine":
        done = max(0.0, epoch - warmup) / max(recipe["epochs"] - warmup, 1 / steps)
        return float(recipe["lr"] * 0.5 * (1 + math.cos(math.pi * done)))
    if recipe["schedule"] == "multistep":
        return float(recipe["lr"] * recipe["gamma"] ** sum(epoch >= milestone for milestone in recipe["milestones"]))
    return float(recipe["lr"])


def sgd(model: nn.Module, recipe: dict[str, Any]) -> "SGD":
    """Return SGD by the recipe; one fused update for all parameters."""
    return SGD(
        model.parameters(),
        lr=recipe["lr"],
        momentum=recipe["momentum"],
        nesterov=recipe["nesterov"],
        weight_decay=recipe["weight_decay"],
        fused=True,
    )


class SGD(torch.optim.SGD):
    """PyTorch's SGD with the same bits; on a CPU, what lies in channels last is contiguous while it is updated.

    Of other gradients the fused update of PyTorch 2.15 makes a contiguous copy that it never reads: 2.4 ms of 3.4 for
    256 x 384 x 3 x 3 weights, on one thread.
    """

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # there are no closures here
        """Update every parameter that has a gradient."""
        turned = [value for group in self.param_groups for value in group["params"] if is_copied(value)]
        self.turn(turned, LAST)
        try:
            super().step()
        finally:
            self.turn(turned, BACK)

    def turn(self, parameters: list[nn.Parameter], order: tuple[int, ...]) -> None:
        """Permute the dimensions of parameters, their gradients and momentum, which stay where they lie."""
        for value in parameters:
            momentum = self.state[value].get("momentum_buffer") if value in self.state else None
            for tensor in (value, value.grad, momentum):
                if tensor is not None:
                    tensor.data = tensor.data.permute(order)


def is_copied(value: Tensor) -> bool:
    """Return whether a parameter has a gradient that the fused update would copy."""
    is_last = value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last)
    return value.device.type == "cpu" and value.grad is not None and is_last and not value.is_contiguous()
