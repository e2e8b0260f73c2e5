"""What a process made for one model under shift and keeps for the next, which meets the same."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """An array or a tensor."""

    @property
    def nbytes(self) -> int: ...


Value = TypeVar("Value", bound=Sized)


class Kept(Generic[Value]):
    """The latest values by their keys, at most `most` bytes of them."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self.values: OrderedDict[object, Value] = OrderedDict()

    def get(self, key: object, make: Callable[[], Value]) -> Value:
        """Return what a key stands for, made if it is not there."""
        if key in self.values:
            self.values.move_to_end(key)
            return self.values[key]
        value = make()
        self.values[key] = value
        self.held += value.nbytes
        while self.held > self.most:
            self.held -= self.values.popitem(last=False)[1].nbytes
        return value
