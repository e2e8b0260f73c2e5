"""Student losses: how a student learns from what its teacher says, beside the label's cross-entropy.

A student loss is a pure function `loss(student_logits, teacher, targets, temperature, **params)` in a file of its own,
the first three [B,K], which returns the teacher's term, a mean over the batch. `targets` are the label's probabilities;
`teacher` the teacher's probabilities at T, or its logits where the entry says so. It computes in the precision of the
logits, fp32 at least, without a host synchronisation or a shape that depends on values; T may be a tensor of no
dimensions, and a bank trains the function under `torch.func.vmap`, unless the entry says that none can.
The whole loss is `shared.distillation_loss`: label weight x CE + teacher weight x the term.

This file imports no torch: the page asks it what losses are called.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from augdistill.base.checks import check_keys
from augdistill.base.errors import ConfigError
from augdistill.base.lazy import load
from augdistill.plugins import Table

if TYPE_CHECKING:
    from torch import Tensor

    from augdistill.losses.shared import Term


@dataclass(frozen=True)
class StudentLoss:
    """A student loss: its module, what it is called, what of the teacher it learns from, whether a bank can take it."""

    module: str
    label: str
    learns_from: Literal["probabilities", "logits"] = "probabilities"
    stacks: bool = True

    @property
    def loss(self) -> "Callable[..., Tensor]":
        """(student_logits, teacher, targets, temperature, **params): the teacher's term."""
        return load(self.module).loss  # type: ignore[no-any-return]  # a module found by name


def build(name: str, key: str = "distillation.loss", **params: Any) -> "Term":
    """Return the loss `name` with its own parameters; ConfigError, naming the key under `key`, for what cannot be."""
    import torch

    student_loss = LOSSES.find(key, name).loss
    arguments = inspect.signature(student_loss).parameters.values()
    check_keys(f"{key}.", params, [item.name for item in arguments if item.kind is item.KEYWORD_ONLY])
    term = partial(student_loss, **params)
    try:
        term(torch.zeros(1, 2), torch.full((1, 2), 0.5), torch.tensor([[1.0, 0.0]]), 1.0)
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"{name}.", f"{key}.", 1)) from None
    return term


LOSSES = Table[StudentLoss]("losses") | {
    "kd": StudentLoss("augdistill.losses.kd", "KD"),
    "dkd": StudentLoss("augdistill.losses.dkd", "DKD"),
    "mse": StudentLoss("augdistill.losses.mse", "MSE of logits", learns_from="logits"),
    "kd-standardised": StudentLoss("augdistill.losses.kd_standardised", "KD, standardised", learns_from="logits"),
    "dist": StudentLoss("augdistill.losses.dist", "DIST"),
    "rld": StudentLoss("augdistill.losses.rld", "RLD"),
    "jensen-shannon": StudentLoss("augdistill.losses.jensen_shannon", "Jensen-Shannon"),
}
