"""Replayed steps equal eager ones, bit for bit: on a CPU by a tape of operations, on a GPU by CUDA's own graphs.

A tape keeps what a graph keeps: each operation, the very tensors it read and wrote, and every number of the host as it
was; what a graph cannot hold it refuses. Without a GPU `graphs.Recorder` stays untested: the tests of it are skipped.
"""

import dataclasses
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import core
from augdistill.augment import AUGMENTATIONS
from augdistill.config import parameters
from augdistill.errors import ConfigError, StoppedError, WorkError
from augdistill.losses import teacher_probabilities
from augdistill.seeds import derive
from augdistill.stages import student, teacher
from augdistill.stages.student import distillation_loss, live_logits
from augdistill.training import graphs
from augdistill.training.batches import Batch, make_batch, plan_epoch
from augdistill.training.device import Device
from augdistill.training.loop import Changing, Hooks, Loss, Task, clip, fit, learning_rate, sgd, step
from core import COUNT, EPOCHS, LOOP_RECIPE, MIXUP, same, small_model, small_set, two_part_loss

ALL = [[name, parameters("aug", name)] for name in AUGMENTATIONS]
CLIPPED = {"clip_norm": 0.7, "warmup_epochs": 1.0}
CASES: dict[str, dict[str, Any]] = {
    "batch norm": {"model": "resnet18"},
    "dropout": {"model": "drops", "recipe": CLIPPED},
    "no momentum": {"model": "lenet", "recipe": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}},
    "multi-step": {"model": "lenet", "recipe": {"schedule": "multistep", "milestones": [2]}},
    **{name: {"model": "lenet", "ops": [[name, params]]} for name, params in ALL},
    "stacked": {"model": "resnet18", "ops": ALL, "recipe": CLIPPED},
    "bf16": {"model": "resnet18", "ops": MIXUP, "precision": "bf16"},
    "live teacher": {"model": "lenet", "ops": ALL, "teacher": "resnet18"},
    "own view": {"model": "drops", "ops": MIXUP, "teacher": "lenet", "own_view": True},
}
ON_A_GPU = {**CASES, "alexnet": {"model": "alexnet"}}  # too large for a tape
NEEDS_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand: not yet run")
FORBIDDEN = {
    "_local_scalar_dense",
    "lift_fresh",
    "nonzero",
    "masked_select",
    "is_nonzero",
}  # host and device would meet


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
                    self.before.setdefault(tensor.data_ptr(), (tensor, tensor.clone()))
        found = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, found))
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


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "Recorder", TapeRecorder)


def made(case: dict[str, Any], place: str, put: Callable[[Any], Any] | None = None, dtype=torch.float32) -> Task:
    """Return a task of CASES, the same each time; `put` puts a tensor or a model where it is to be."""
    put = put or (lambda value: value.to(place))
    loss: Loss = two_part_loss
    if "teacher" in case:
        lesson = {"alpha": 0.5, "temperature": 4.0, "reduction": "batchmean"}
        live = partial(
            live_logits, put(small_model(case["teacher"], dtype).eval().requires_grad_(False)), device=at(place)
        )
        loss = distillation_loss(lesson, 10, lambda batch: teacher_probabilities(live(batch), 4.0))
    model, training = put(small_model(case["model"], dtype)), small_set(dtype)
    there = {name: put(getattr(training, name)) for name in ("images", "targets", "mean", "std")}
    recipe = {**LOOP_RECIPE, **case.get("recipe", {})}
    ops, own_view = case.get("ops", []), case.get("own_view", False)
    return Task(model, dataclasses.replace(training, **there), loss, ops, recipe, 3, "teacher", own_view)


def at(place: str, **how: Any) -> Device:
    return Device(torch.device(place), how.pop("precision", "fp32"), 1, **how)


def fitted(task: Task, device: Device, folder: Path, stop: Callable[[], bool] = lambda: False) -> tuple[Any, Any]:
    """Return weights and history, without the time column."""
    folder.mkdir(exist_ok=True)
    rows = fit(task, device, folder, Hooks(lambda model: {}, lambda epoch, row: None, stop, "60min"))
    return task.model.state_dict(), [{key: row[key] for key in row if key != "images_per_second"} for row in rows]


def plainly(task: Task, device: Device) -> tuple[Any, Any]:
    """Train without a tensor that stays where it is: numbers from the host, slices of each epoch's own plan."""
    model, recipe, step, rows = task.model.train(), task.recipe, 0, []
    optimizer, key = sgd(model, recipe), derive(task.seed, task.role, "dropout") >> 1
    for epoch in range(EPOCHS):
        plan = plan_epoch(task.training, task.ops, task.seed, task.role, epoch, recipe["batch_size"], task.own_view)
        sums = torch.zeros(4)
        for index, size in enumerate([8, 8, 8, 5]):
            rate = optimizer.param_groups[0]["lr"] = learning_rate(recipe, step, 4)
            batch = make_batch(task.training, task.ops, plan, index)
            optimizer.zero_grad()
            with device.autocast():
                logits, _ = model(batch.images, torch.tensor(key) + step)
            losses = task.loss(logits.float(), batch)
            losses[0].backward()
            clipped = clip(model, recipe["clip_norm"])
            optimizer.step()
            sums += torch.cat([losses.detach(), clipped[None]]) * size
            step += 1
        loss, ce, kd, share = (sums / COUNT).tolist()
        row = {"epoch": epoch, "loss": loss, "ce": ce, "kd": kd, "lr": rate}
        rows.append(row if recipe["clip_norm"] is None else row | {"clipped": share})
    return model.state_dict(), rows


@pytest.mark.parametrize("name", CASES)
def test_steps_by_static_tensors_and_their_replays_equal_a_plain_loop(name: str, tape: None, tmp_path: Path) -> None:
    case, precision = CASES[name], CASES[name].get("precision", "fp32")
    plain, history = plainly(made(case, "cpu"), at("cpu", precision=precision))
    eager, rows = fitted(made(case, "cpu"), at("cpu", precision=precision), tmp_path / "eager")
    assert same(eager, plain)
    assert rows == history
    replayed, rows = fitted(made(case, "cpu"), at("cpu", precision=precision, graphs=True), tmp_path / "replayed")
    assert same(replayed, plain)
    assert rows == history
    # Of the long batches those of the first epoch are eager, of the short ones those of the first three.
    assert (TapeRecorder.recorded, TapeRecorder.replayed) == (2, 12 + 2)


@pytest.mark.parametrize("step", [2, 5, 7])
@pytest.mark.parametrize("at_first", [True, False])
def test_a_run_goes_on_by_replays_from_wherever_it_stopped(step: int, at_first: bool, tape: None, tmp_path) -> None:
    """Also from a step that was eager to replays and back: a checkpoint knows nothing of either."""
    case = CASES["stacked"]
    undisturbed = fitted(made(case, "cpu"), at("cpu"), tmp_path / "undisturbed")
    asked = iter(range(1, 100))
    with pytest.raises(StoppedError, match=f"stopped at step {step} "):
        fitted(made(case, "cpu"), at("cpu", graphs=at_first), tmp_path / "stopped", lambda: next(asked) == step)
    resumed = fitted(made(case, "cpu"), at("cpu", graphs=True), tmp_path / "stopped")
    assert same(resumed[0], undisturbed[0])
    assert resumed[1] == undisturbed[1]
    assert TapeRecorder.replayed > 6


def test_scoring_between_epochs_and_the_best_weights_are_those_of_eager_steps(tape: None, tmp_path: Path) -> None:
    found = []
    for graphed in (False, True):
        task = made({"model": "resnet18", "recipe": {"select": "best-test"}}, "cpu")
        scores = iter([0.1, 0.2, 0.3, 0.5, 0.4])

        def score(model: nn.Module, task: Task = task, scores: Any = scores) -> dict[str, float]:
            with torch.no_grad():
                logits, _ = model.eval()(task.training.normalised(torch.arange(COUNT)))
            return {"test_accuracy": next(scores), "logits": float(logits.detach().sum())}

        hooks = Hooks(score, lambda epoch, row: None, lambda: False, "60min")
        rows = fit(task, at("cpu", graphs=graphed), tmp_path, hooks)
        found.append((task.model.state_dict(), [row["logits"] for row in rows]))
    assert same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert found[0][0]["stem.1.num_batches_tracked"] == 16  # those of the fourth of five epochs


def test_replays_that_differ_give_way_to_eager_steps(tape: None, tmp_path: Path, caplog) -> None:
    """A loss that reads a number of the host: a graph holds the number that it was recorded with."""
    found = []
    for graphed in (False, True):
        task, asked = made(CASES["stacked"], "cpu"), iter(range(100))
        now = [1.0]

        def loss(logits: Tensor, batch: Batch, now: list[float] = now) -> Tensor:
            return two_part_loss(logits, batch) * now[0]

        def stop(now: list[float] = now, asked: Any = asked) -> bool:
            now[0] = 1 + next(asked) / 10
            return False

        folder = tmp_path / str(graphed)
        with caplog.at_level(logging.WARNING, logger="augdistill"):
            found.append(fitted(dataclasses.replace(task, loss=loss), at("cpu", graphs=graphed), folder, stop))
    assert same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert TapeRecorder.replayed == 1
    (warning,) = [record.message for record in caplog.records]
    assert warning.endswith("differ from eager ones: going on as with runtime.cuda_graphs=false")


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda losses: losses * float(losses.detach()[0]),
        lambda losses: losses * torch.tensor(2.0),
        lambda losses: losses + losses[losses > 0].sum(),
    ],
)
def test_the_tape_refuses_what_a_graph_cannot_hold(forbidden, tape: None, tmp_path: Path) -> None:
    task = made(CASES["mixup"], "cpu")
    loss = dataclasses.replace(task, loss=lambda logits, batch: forbidden(two_part_loss(logits, batch)))
    with pytest.raises(RuntimeError, match="while a graph is recorded"):
        fitted(loss, at("cpu", graphs=True), tmp_path)


@pytest.mark.parametrize(("stage", "config"), [(teacher, core.teacher_config), (student, core.student_config)])
def test_a_job_on_a_cpu_refuses_graphs_before_any_work(stage: Any, config: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime\.cuda_graphs=true, but this job runs on a CPU"):
        stage.run(config(tmp_path, "runtime.device=cpu", "runtime.cuda_graphs=true"))
    assert not list(tmp_path.iterdir())


class OnTheDevice(TorchDispatchMode):
    """Refuses operations that touch the host's memory, or wait for the device's."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        places = {str(value.device) for value in tree_leaves((args, kwargs, found)) if isinstance(value, Tensor)}
        assert places <= {"cuda:0"}, f"{function} on {places}"
        assert function.overloadpacket.__name__ not in FORBIDDEN
        self.count += 1
        return found


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


@pytest.mark.parametrize("name", ON_A_GPU)
def test_a_step_on_a_gpu_touches_nothing_of_the_host(name: str, monkeypatch) -> None:
    """On PyTorch's tensors without content: all but the backward pass, SGD's kernel and autocast."""
    mode = FakeTensorMode()

    def put(value: Any) -> Any:
        with mode:
            return without_content(value)

    def backward(losses: Tensor) -> None:
        for value in task.model.parameters():
            value.grad = without_content(value)

    def update(*tensors: list[Tensor], lr: Tensor, **how: Any) -> None:
        assert (lr.dtype, lr.device.type) == (torch.float32, "cuda")

    here, task = made(ON_A_GPU[name], "cpu"), made(ON_A_GPU[name], "cuda", put)
    plan = plan_epoch(here.training, here.ops, 3, "teacher", 0, 8, here.own_view)
    draws = [
        [{key: put(values) for key, values in op.items()} for op in ops or []]
        for ops in (plan.draws, plan.teacher_draws)
    ]
    plan = dataclasses.replace(
        plan, order=put(plan.order), draws=draws[0], teacher_draws=draws[1] if here.own_view else None
    )
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(torch, "_fused_sgd_", update)
    with mode:
        changing, optimizer = Changing.on(at("cuda"), torch.float32), sgd(task.model, task.recipe)
        optimizer.param_groups[0]["lr"] = changing.rate
        begin = torch.zeros((), dtype=torch.int64, device="cuda")
        with OnTheDevice() as watched:
            for _ in range(2):  # the second with momentum
                step(task, optimizer, changing, at("cuda"), plan, begin + torch.arange(8, device="cuda"))
    assert watched.count > 100


@pytest.mark.filterwarnings("ignore")  # where a GPU has no deterministic way, PyTorch warns
@NEEDS_A_GPU
@pytest.mark.parametrize("name", ON_A_GPU)
def test_captured_steps_equal_eager_ones_on_a_gpu(name: str, tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(graphs, "TOLERANCE", 0.0)
    case, precision, found = ON_A_GPU[name], ON_A_GPU[name].get("precision", "fp32"), []
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        for graphed in (False, True):
            device = at("cuda", precision=precision, graphs=graphed)
            found.append(fitted(made(case, "cuda"), device, tmp_path / str(graphed)))
    finally:
        torch.use_deterministic_algorithms(False)
    assert same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert not caplog.records  # else eager steps took over


@NEEDS_A_GPU
@pytest.mark.parametrize("name", [name for name in CASES if name != "bf16"])
def test_steps_on_a_gpu_equal_those_on_a_cpu_in_float64(name: str, tmp_path: Path) -> None:
    here = fitted(made(CASES[name], "cpu", dtype=torch.float64), at("cpu"), tmp_path / "here")
    there = fitted(made(CASES[name], "cuda", dtype=torch.float64), at("cuda", graphs=True), tmp_path / "there")
    for mine, its in zip(here[0].values(), there[0].values(), strict=True):
        torch.testing.assert_close(mine, its.cpu(), rtol=0, atol=1e-5)  # the rate is fp32 there


@NEEDS_A_GPU
def test_a_step_that_cannot_be_captured_says_so_in_one_line(tmp_path: Path) -> None:
    task = made(CASES["mixup"], "cuda")
    waits = dataclasses.replace(
        task, loss=lambda logits, batch: two_part_loss(logits, batch) * float(logits.detach().sum())
    )
    with pytest.raises(WorkError, match=r"a step cannot be recorded as a CUDA graph \(.*: runtime.cuda_graphs=false"):
        fitted(waits, at("cuda", graphs=True), tmp_path)
