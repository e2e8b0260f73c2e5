"""What steps do on a GPU, as far as a machine without one can see: on PyTorch's tensors without content.

These claim to lie on a GPU, and refuse what waits for one: a number read, a shape that depends on values. Forward and
backward formulas, autocast and gradients' layouts are PyTorch's own. Three things are not, for want of a driver: the
engine that walks the backward formulas, of which `backward` does the work; the kernel of fused SGD, whose demands
`update` checks (on a CPU test_training_graphs.py runs the real one); and kernels, which have nothing to compute.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from augdistill.data import Header
from augdistill.losses import kd
from augdistill.stages import common
from augdistill.training import graphs
from augdistill.training.bank import Bank, BankTargets, plan_together
from augdistill.training.bank import step as bank_step
from augdistill.training.batches import EpochPlan, plan_epoch
from augdistill.training.checkpoint import State
from augdistill.training.loop import StepBuffers, step, take_epoch
from augdistill.training.sgd import sgd
from core import BATCH, COUNT, LOOP_RECIPE, small_model, small_set
from steps import BANKS, CASES, FORBIDDEN, at, made, members

pytestmark = pytest.mark.slow  # what only a GPU uses

EVERY = {**CASES, "alexnet": {"model": "alexnet"}, **BANKS, "bank of alexnets": {"model": "alexnet"}}
ON_A_GPU = {name: case for name, case in EVERY.items() if "precision" not in case}  # each comes in both
TOGETHER = [name for name in ON_A_GPU if name.startswith("bank")]
PRODUCTS = {"convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm"}
HEADER = Header("noise", "test", COUNT, (1, 16, 16), tuple("0123456789"), "", False, "", (0.4,), (0.3,))


class Watch(TorchDispatchMode):
    """Notes operations, those that touch the host's memory or would wait for the device, and what products are in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.met: list[str] = []
        self.products: set[torch.dtype] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if function.namespace == "prim":  # asks a tensor what it is
            return found
        name = function.overloadpacket.__name__
        places = {value.device.type for value in tree_leaves((args, kwargs, found)) if isinstance(value, Tensor)}
        self.seen.append(name)
        if name in FORBIDDEN or places - {"cuda"}:
            self.met.append(f"{len(self.seen)}: {name} on {', '.join(sorted(places))}")
        if name in PRODUCTS:
            self.products |= {value.dtype for value in args if isinstance(value, Tensor)}
        return found


@pytest.fixture
def mode(monkeypatch: pytest.MonkeyPatch) -> FakeTensorMode:
    """Tensors without content, on a GPU that autocast believes in."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(torch, "_fused_sgd_", update)
    return FakeTensorMode()


def without_content(value: Any) -> Any:
    """Return a tensor of the same form, or a model with such, which claims to lie on a GPU and holds nothing."""
    if isinstance(value, Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")
    for module in value.modules():
        for name, held in module._parameters.items():
            if held is not None:
                module._parameters[name] = nn.Parameter(without_content(held), held.requires_grad)
        module._buffers.update({name: without_content(held) for name, held in module._buffers.items()})
    return value


@torch.no_grad()
def backward(loss: Tensor) -> None:
    """Fill in gradients as autograd's engine does: each formula once, after all those whose results it takes."""
    given: dict[Any, dict[int, Tensor]] = defaultdict(dict)
    given[loss.grad_fn][loss.output_nr] = torch.ones_like(loss)
    for node in reversed(inputs_first(loss.grad_fn)):
        its = given.pop(node, {})
        found = node(*[its.get(index) for index in range(len(node._input_metadata))])
        for (following, index), gradient in zip(node.next_functions, tree_leaves(found), strict=True):
            if following is not None and gradient is not None:
                form, summed = following._input_metadata[index], given[following]
                gradient = gradient.sum_to_size(form.shape).to(form.dtype)
                summed[index] = summed[index] + gradient if index in summed else gradient


def inputs_first(node: Any, found: dict[Any, None] | None = None) -> list[Any]:
    """Return all nodes below one of the backward graph, and it itself, each after those that follow it."""
    found = {} if found is None else found
    if node is not None and node not in found:
        for following, _ in node.next_functions:
            inputs_first(following, found)
        found[node] = None
    return list(found)


def update(values: list[Tensor], gradients: list[Tensor], buffers: list[Tensor], *, lr: Tensor, **how: Any) -> None:
    """Check what SGD's fused kernel takes for granted, and write where it writes."""
    assert (lr.dtype, lr.device.type, lr.dim()) == (torch.float32, "cuda", 0)
    for those in (gradients, buffers or gradients):
        assert [(one.stride(), one.dtype) for one in those] == [(one.stride(), one.dtype) for one in values]
    for value, gradient in zip(values + buffers, gradients + gradients[: len(buffers)], strict=True):
        value.add_(gradient * lr)


@dataclasses.dataclass(frozen=True)
class Work:
    """A step to take on a GPU, an epoch's plan for it, what it changes there, and its recipe."""

    step: Callable[[EpochPlan, Any], None]
    plan: EpochPlan
    changing: StepBuffers
    recipe: dict[str, Any]


def work(name: str, precision: str, mode: FakeTensorMode) -> Work:
    """Return the step of a case."""

    def put(value: Any) -> Any:
        with mode:
            return without_content(value)

    case = {**ON_A_GPU[name], "precision": precision}
    return together(case, put, mode) if name in TOGETHER else alone(case, put, mode)


def alone(case: dict[str, Any], put: Callable[[Any], Any], mode: FakeTensorMode) -> Work:
    here, task = made(case, "cpu"), made(case, "cuda", put)
    plan = plan_epoch(here.training, here.ops, 3, "teacher", 0, BATCH, here.own_view)
    device = at("cuda", case)
    with mode:
        changing, optimizer = StepBuffers.on(device, torch.float32), sgd(task.model, task.recipe)
    optimizer.param_groups[0]["lr"] = changing.rate
    return Work(partial(step, task, optimizer, changing, device), put_plan(plan, put), changing, task.recipe)


def together(case: dict[str, Any], put: Callable[[Any], Any], mode: FakeTensorMode) -> Work:
    (students, here), (_, training) = members(case, "cpu"), members(case, "cuda", put)
    device, recipe = at("cuda", case), {**LOOP_RECIPE, **case.get("recipe", {})}
    plan = plan_together(students, here, 0, BATCH)
    bank = put(Bank([student.model for student in students]))
    taught = [dataclasses.replace(student, teacher=put(student.teacher)) for student in students]
    with mode:
        lessons = BankTargets.of(taught, training.targets, kd.loss, device)
        changing, optimizer = StepBuffers.on(device, torch.float32, len(students)), sgd(bank, recipe)
    optimizer.param_groups[0]["lr"] = changing.rate
    taken = partial(bank_step, bank, optimizer, training, lessons, recipe, changing, device)
    return Work(taken, put_plan(plan, put), changing, recipe)


def put_plan(plan: EpochPlan, put: Callable[[Any], Any]) -> EpochPlan:
    draws, teacher_draws = (
        None if ops is None else [{key: put(values) for key, values in op.items()} for op in ops]
        for ops in (plan.draws, plan.teacher_draws)
    )
    return dataclasses.replace(plan, order=put(plan.order), draws=draws, teacher_draws=teacher_draws)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ON_A_GPU)
def test_a_step_on_a_gpu_touches_nothing_of_the_host(name: str, precision: str, mode: FakeTensorMode) -> None:
    """At places that a slice gives, and then, with momentum, at those that a tensor does, as graphs are recorded."""
    found = work(name, precision, mode)
    with mode:
        places = torch.zeros((), dtype=torch.int64, device="cuda") + torch.arange(BATCH, device="cuda")
        for part in (slice(0, BATCH), places):
            with Watch() as watched:
                found.step(found.plan, part)
            assert watched.met == []
            assert watched.products == {torch.bfloat16 if precision == "bf16" else torch.float32}
            assert len(watched.seen) > 100


@pytest.mark.parametrize("name", ["stacked", "bank"])
def test_an_epoch_on_a_gpu_reads_its_sums_and_nothing_else(name: str, mode: FakeTensorMode) -> None:
    found, state, asked = work(name, "bf16", mode), State(), []

    def take(plan: EpochPlan, index: int) -> None:
        found.step(plan, plan.part(index))

    with mode, Watch() as watched:
        take_epoch(take, found.plan, found.changing, state, found.recipe, 5, lambda: asked.append(state.step))
    assert watched.met == [f"{len(watched.seen)}: _to_copy on cpu, cuda"]
    assert (state.step, asked) == (4, [1, 2, 3])


@pytest.mark.parametrize("name", ["stacked", "bank"])
def test_what_is_recorded_on_a_gpu_touches_nothing_of_the_host(name: str, mode: FakeTensorMode, monkeypatch) -> None:
    """All that the stepper does on the device: of an epoch its first steps, the recorded one, and of the next one."""
    watches: list[Watch] = []

    class Recorder:
        def __init__(self, device: torch.device) -> None:
            assert device.type == "cuda"

        def run(self, work: Callable[[], None]) -> None:
            work()

        def record(self, work: Callable[[], None]) -> Callable[[], None]:
            with Watch() as watched:
                work()
            watches.append(watched)
            return work

    monkeypatch.setattr(graphs, "Recorder", Recorder)
    monkeypatch.setattr(graphs, "is_close", lambda before, expected, found: True)  # for that it has to wait
    found, state = work(name, "bf16", mode), State()
    with mode:
        take = graphs.stepper(found.step, lambda: [[found.changing.totals]], at("cuda", {}, graphs=True))
        for plan in (found.plan, put_plan(found.plan, torch.clone)):
            with Watch() as watched:
                take_epoch(take, plan, found.changing, state, found.recipe, 5, lambda: None)
            assert watched.met == [f"{len(watched.seen)}: _to_copy on cpu, cuda"]
    assert [(watched.met, len(watched.seen) > 100) for watched in watches] == [([], True)]


def test_predictions_leave_a_gpu_once_they_are_all_there(mode: FakeTensorMode) -> None:
    training, model = small_set(torch.float32), small_model("resnet18", torch.float32)
    with mode:
        images, mean, std = (without_content(getattr(training, name)) for name in ("images", "mean", "std"))
        data = common.DeviceDataset(HEADER, images, torch.zeros(COUNT, dtype=torch.int64, device="cuda"), mean, std)
        network = without_content(model)
        with Watch() as watched:
            logits, embeddings = common.predict(network, data, at("cuda", {"precision": "bf16"}), batch=10)
    assert {value.device.type for value in (logits, embeddings)} == {"cpu"}
    last = len(watched.seen)
    assert watched.met == [f"{last - 1}: _to_copy on cpu, cuda", f"{last}: _to_copy on cpu, cuda"]
    assert watched.seen.count("convolution") == 3 * 20


@pytest.mark.parametrize(
    ("wait", "told"),
    [
        (lambda losses: losses * losses[0].item(), DataDependentOutputException),
        (lambda losses: losses + losses[losses > 0].sum(), DynamicOutputShapeException),
        (lambda losses: losses * torch.ones(3), RuntimeError),
        (lambda losses: losses * torch.tensor(2.0), "lift_fresh"),
        (lambda losses: losses * torch.tensor([1.0, 2.0, 3.0], device="cuda"), "lift_fresh"),
        (lambda losses: losses.cpu().cuda(), "_to_copy"),
    ],
)
def test_what_touches_the_host_is_seen(wait: Callable[[Tensor], Tensor], told: Any, mode: FakeTensorMode) -> None:
    with mode:
        losses = torch.zeros(3, device="cuda")
        if isinstance(told, str):
            with Watch() as watched:
                wait(losses)
            assert any(told in line for line in watched.met)
        else:
            with pytest.raises(told), Watch():
                wait(losses)


def test_gradients_that_are_walked_by_hand_are_those_of_the_engine() -> None:
    """On tensors with content: what stands in for autograd's engine finds what it finds."""
    engine, hand = (small_model("resnet18", torch.float32) for _ in range(2))
    images = torch.linspace(-1, 1, 4 * 256).view(4, 1, 16, 16)
    engine(images)[0].square().sum().backward()
    backward(hand(images)[0].square().sum())
    for mine, its in zip(hand.parameters(), engine.parameters(), strict=True):
        assert torch.equal(mine.grad, its.grad)
