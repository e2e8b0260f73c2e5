"""Steps as CUDA graphs: recorded once for each batch size, then replayed by one launch instead of some hundred.

A graph reads and writes where it did when it was recorded. So an epoch's plan is copied into the first one's tensors,
and where in it a batch begins is a number on the device, filled in before each step, as are the learning rate and
dropout's key; `fill_` carries a number along by value, so that no memory of the host has to stay as it was.

The steps before the recording are steps of the training, and recording runs nothing: no weight moves twice.
"""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from augdistill.base.errors import WorkError
from augdistill.training.batches import EpochPlan
from augdistill.training.device import Device

log = logging.getLogger(__name__)

WARM_UP = 3  # eager steps of a batch size before it is recorded, as PyTorch's notes have it: kernels and momentum exist
TOLERANCE = 0.01  # of how far a step moves the weights; sums in another order are below it, another batch far above

Step = Callable[[EpochPlan, slice | Tensor], None]


def stepper(step: Step, changed: Callable[[], list[list[Tensor]]], device: Device) -> Callable[[EpochPlan, int], None]:
    """Return what takes the step of batch `index` of a plan: `step` itself or, with `device.graphs`, its replays.

    `changed` returns all that a step changes, in groups: weights, batch statistics and so on.
    """
    if device.graphs:
        return Replays(step, changed, device.device)
    return lambda plan, index: step(plan, plan.part(index))


class Replays:
    """Takes the steps of a run: of each batch size the first ones eagerly, then by replaying what was recorded of one.

    The first replay is compared with an eager step from the same state; if they differ, eager steps take over.
    """

    def __init__(self, step: Step, changed: Callable[[], list[list[Tensor]]], device: torch.device) -> None:
        self.step, self.changed, self.recorder = step, changed, Recorder(device)
        self.begin = torch.zeros((), dtype=torch.int64, device=device)
        self.plan: EpochPlan | None = None
        self.copied: EpochPlan | None = None
        self.taken: Counter[int] = Counter()
        self.replays: dict[int, Callable[[], None]] = {}
        self.agree = True

    def __call__(self, plan: EpochPlan, index: int) -> None:
        """Take the step of batch `index` of the plan."""
        self.load(plan)
        begin, end = plan.offsets[index : index + 2]
        self.begin.fill_(begin)
        size = end - begin
        self.taken[size] += 1
        if not self.agree or self.taken[size] <= WARM_UP:
            self.recorder.run(partial(self.take, size))
        elif self.taken[size] == WARM_UP + 1:
            self.compare(size)
        else:
            self.replays[size]()
        if self.agree and self.taken[size] == WARM_UP:
            self.replays[size] = self.recorder.record(partial(self.take, size))

    def load(self, plan: EpochPlan) -> None:
        """Copy a new epoch's plan to where the first one lies."""
        if self.plan is None:
            self.plan = plan
        elif plan is not self.copied:
            for mine, new in zip(self.plan.tensors(), plan.tensors(), strict=True):
                mine.copy_(new)
        self.copied = plan

    def take(self, size: int) -> None:
        """Take the step of the batch of `size` images that begins at `begin`."""
        assert self.plan is not None
        self.step(self.plan, self.begin + torch.arange(size, device=self.begin.device))

    def compare(self, size: int) -> None:
        """Take a step both ways from the same state, with inputs that the recording has not seen."""
        groups = self.changed()
        before = copies(groups)
        self.recorder.run(partial(self.take, size))
        expected = copies(groups)
        restore(groups, before)
        self.replays[size]()
        self.agree = all(map(is_close, before, expected, groups))
        if self.agree:
            log.info("steps of %d images are replayed as a CUDA graph", size)
            return
        restore(groups, expected)
        log.warning("steps replayed as CUDA graphs differ from eager ones: going on as with runtime.cuda_graphs=false")


def copies(groups: list[list[Tensor]]) -> list[list[Tensor]]:
    """Return copies of tensors in groups."""
    return [[value.clone() for value in group] for group in groups]


def restore(groups: list[list[Tensor]], values: list[list[Tensor]]) -> None:
    """Copy values in groups to where others lie."""
    for group, its in zip(groups, values, strict=True):
        for value, old in zip(group, its, strict=True):
            value.copy_(old)


def is_close(before: list[Tensor], expected: list[Tensor], found: list[Tensor]) -> bool:
    """Return whether tensors moved to where they were expected, compared with how far; where that is finite."""
    return distance(expected, found) <= TOLERANCE * distance(expected, before)


def distance(ones: list[Tensor], others: list[Tensor]) -> float:
    """Return the Euclidean distance of two lists of tensors, leaving out what is not finite in the first."""
    pairs = zip(ones, others, strict=True)
    squares = [torch.where(one.isfinite(), one.double() - other.double(), 0).square().sum() for one, other in pairs]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0


class Recorder:
    """A stream on which steps run and are recorded, their memory in one pool.

    Both on the same stream: autograd's nodes and the libraries' workspaces belong to the one that used them first.
    """

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # PyTorch has no types here
        self.pool = torch.cuda.graph_pool_handle()

    def run(self, work: Callable[[], None]) -> None:
        """Run work after what was asked for before, and before what is asked for next."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            work()
        torch.cuda.current_stream().wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return what replays work, which does not run meanwhile. Raises WorkError if it cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, self.pool, self.stream):
                work()
        except RuntimeError as error:
            cause = error.__context__ or error  # what broke the recording, where its end has failed for that alone
            # Before 2.12 PyTorch then stays on its stream (hence the one around it), and its allocator goes on
            # recording, so that no later graph can be (github.com/pytorch/pytorch/pull/180395).
            with suppress(RuntimeError):
                torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self.pool)
            raise WorkError(
                f"a step cannot be recorded as a CUDA graph ({str(cause).splitlines()[0]}): runtime.cuda_graphs=false"
            ) from error
        return graph.replay
