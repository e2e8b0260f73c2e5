"""A CPU's stand-in for CUDA graphs: a tape of operations that is replayed on the same memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from steps import FORBIDDEN


class Tape(TorchDispatchMode):
    """Notes operations as they run, then takes back what they changed: recording a graph runs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        by_mask = name == "index" and any(index.dtype == torch.bool for index in args[1] if index is not None)
        if name in FORBIDDEN or by_mask:
            raise RuntimeError(f"{name} while a graph is recorded")
        for argument, value in zip(function._schema.arguments, args, strict=False):
            writes = argument.alias_info is not None and argument.alias_info.is_write
            if writes or argument.name in ("running_mean", "running_var"):  # of which batch norm's schema says nothing
                for tensor in tree_leaves(value):
                    self.before.setdefault(tensor.data_ptr(), (tensor.detach(), tensor.clone()))
        found = function(*args, **(kwargs or {}))
        as_now = tree_map_only(
            Tensor, Tensor.detach, (args, kwargs or {}, found)
        )  # SGD turns tensors, and turns them back
        self.calls.append((function, *as_now))
        return found

    @torch.no_grad()
    def take_back(self) -> None:
        for tensor, value in self.before.values():
            tensor.copy_(value)

    @torch.no_grad()
    def replay(self) -> None:
        """Run the operations on the same memory; what was their own of it holds garbage at first."""
        for _, args, _, found in self.calls:
            for value in tree_leaves(found):
                if is_new(value, args):
                    value.fill_(77)
        for function, args, kwargs, found in self.calls:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(found), tree_leaves(again), strict=True):
                if is_new(old, args):
                    old.copy_(new)


def is_new(value: object, args: Any) -> bool:
    """Return whether an operation made this tensor's memory, rather than wrote to or looked at an argument's."""
    theirs = {tensor.untyped_storage().data_ptr() for tensor in tree_leaves(args) if isinstance(tensor, Tensor)}
    return isinstance(value, Tensor) and value.untyped_storage().data_ptr() not in theirs


class TapeRecorder:
    """What `graphs.Recorder` is on a GPU."""

    recorded = 0
    replayed = 0

    def __init__(self, device: torch.device) -> None:
        TapeRecorder.recorded = TapeRecorder.replayed = 0

    def run(self, work: Callable[[], None]) -> None:
        work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        tape = Tape()
        with tape:
            work()
        tape.take_back()
        TapeRecorder.recorded += 1

        def replay() -> None:
            TapeRecorder.replayed += 1
            tape.replay()

        return replay
