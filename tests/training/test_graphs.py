"""Replayed steps equal eager ones, bit for bit: on a CPU by a tape of operations, on a GPU by CUDA's own graphs.

A tape keeps what a graph keeps: each operation, the very tensors it read and wrote, and every number of the host as it
was; what a graph cannot hold it refuses. Without a GPU `graphs.Recorder` stays untested: the tests of it are skipped.
"""

import dataclasses
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import core
from augdistill.base.errors import ConfigError, StoppedError, WorkError
from augdistill.base.seeds import derive
from augdistill.losses import kd
from augdistill.stages import student, teacher
from augdistill.training import graphs
from augdistill.training.bank import Bank, BankTargets, Member, clip_members, fit_bank
from augdistill.training.batches import Batch, make_batch, plan_epoch
from augdistill.training.device import Device
from augdistill.training.loop import Hooks, Task, clip, epoch_row, fit
from augdistill.training.sgd import learning_rate, sgd
from core import COUNT, EPOCHS, LOOP_RECIPE, same, two_part_loss
from steps import BANKS, CASES, at, made, members
from tape import TapeRecorder

pytestmark = pytest.mark.slow  # what only a GPU uses

ON_A_GPU = {**CASES, "alexnet": {"model": "alexnet"}, **BANKS}  # AlexNet is too large for a tape
NEEDS_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand: not yet run")


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> None:
    TapeRecorder.recorded = TapeRecorder.replayed = 0
    monkeypatch.setattr(graphs, "Recorder", TapeRecorder)


def silent(stop: Callable[[], bool] = lambda: False) -> Hooks:
    return Hooks(lambda model: {}, lambda epoch, row: None, stop, "60min")


def without_time(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: row[key] for key in row if key != "images_per_second"} for row in rows]


def fitted(task: Task, device: Device, folder: Path, stop: Callable[[], bool] = lambda: False) -> tuple[Any, Any]:
    """Return weights and history, without the time column."""
    folder.mkdir(exist_ok=True)
    rows = fit(task, device, folder, silent(stop))
    return task.model.state_dict(), without_time(rows)


def trained(
    case: dict[str, Any],
    folder: Path,
    stop: Callable[[], bool] = lambda: False,
    place: str = "cpu",
    graphs: bool = False,
    dtype: torch.dtype = torch.float32,
) -> tuple[Any, Any]:
    """Return what training makes of a case: weights, of all members of a bank, and history, without the time column."""
    device = at(place, case, graphs=graphs)
    if case not in BANKS.values():
        return fitted(made(case, place, dtype=dtype), device, folder, stop)
    folder.mkdir(exist_ok=True)
    students, training = members(case, place, dtype=dtype)
    recipe = {**LOOP_RECIPE, **case.get("recipe", {})}
    found = fit_bank(students, training, recipe, kd.loss, device, folder, silent(stop))
    assert [one.diverged for one in found] == [None] * len(students)
    return weights_of(students), [without_time(one.history) for one in found]


def weights_of(students: list[Member]) -> dict[str, Tensor]:
    named = [member.model.state_dict().items() for member in students]
    return {f"{index}.{name}": value for index, its in enumerate(named) for name, value in its}


def plainly(case: dict[str, Any]) -> tuple[Any, Any]:
    """Train without a tensor that stays where it is: numbers from the host, slices of each epoch's own plan."""
    if case in BANKS.values():
        return plainly_together(case)
    task, device = made(case, "cpu"), at("cpu", case)
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
            sums += torch.cat([losses.detach() * size, clipped[None] * COUNT / 4])
            step += 1
        rows.append(epoch_row(epoch, (sums / COUNT).tolist(), recipe, rate))
    return model.state_dict(), rows


def plainly_together(case: dict[str, Any]) -> tuple[Any, Any]:
    """Train a bank in the same way."""
    students, training = members(case, "cpu")
    device, recipe, step = at("cpu", case), {**LOOP_RECIPE, **case.get("recipe", {})}, 0
    bank = Bank([member.model for member in students]).train()
    optimizer, lessons = sgd(bank, recipe), BankTargets.of(students, training.targets, kd.loss, device)
    rows: list[list[dict[str, float]]] = [[] for _ in students]
    for epoch in range(EPOCHS):
        plans = [plan_epoch(training, [], member.seed, "student", epoch, 8, False) for member in students]
        sums = torch.zeros(len(students), 4)
        for index, size in enumerate([8, 8, 8, 5]):
            rate = optimizer.param_groups[0]["lr"] = learning_rate(recipe, step, 4)
            places = torch.stack([plan.order[plan.part(index)] for plan in plans])
            optimizer.zero_grad()
            with device.autocast():
                images = torch.stack([training.normalised(its) for its in places])
                logits = bank(images, lessons.keys + step)
            losses = lessons.losses(logits, places)
            losses[:, 0].sum().backward()
            clipped = clip_members(bank, len(students), recipe["clip_norm"])
            optimizer.step()
            sums += torch.cat([losses.detach() * size, clipped[:, None] * COUNT / 4], dim=1)
            step += 1
        for its, means in zip(rows, (sums / COUNT).tolist(), strict=True):
            its.append(epoch_row(epoch, means, recipe, rate))
    for index, member in enumerate(students):
        member.model.load_state_dict(bank.member(index))
    return weights_of(students), rows


@pytest.mark.parametrize("name", [*CASES, *BANKS])
def test_steps_by_static_tensors_and_their_replays_equal_a_plain_loop(name: str, tape: None, tmp_path: Path) -> None:
    case = {**CASES, **BANKS}[name]
    plain, history = plainly(case)
    eager, rows = trained(case, tmp_path / "eager")
    assert same(eager, plain)
    assert rows == history
    replayed, rows = trained(case, tmp_path / "replayed", graphs=True)
    assert same(replayed, plain)
    assert rows == history
    # Of the long batches those of the first epoch are eager, of the short ones those of the first three.
    assert (TapeRecorder.recorded, TapeRecorder.replayed) == (2, 12 + 2)


@pytest.mark.parametrize("step", [2, 5, 7])
@pytest.mark.parametrize("at_first", [True, False])
@pytest.mark.parametrize("case", [CASES["stacked"], BANKS["bank"]])
def test_a_run_goes_on_by_replays_from_wherever_it_stopped(
    case: dict[str, Any], step: int, at_first: bool, tape: None, tmp_path: Path
) -> None:
    """Also from a step that was eager to replays and back: a checkpoint knows nothing of either."""
    undisturbed = trained(case, tmp_path / "undisturbed")
    asked = iter(range(1, 100))
    with pytest.raises(StoppedError, match=f"stopped at step {step} "):
        trained(case, tmp_path / "stopped", lambda: next(asked) == step, graphs=at_first)
    resumed = trained(case, tmp_path / "stopped", graphs=True)
    assert same(resumed[0], undisturbed[0])
    assert resumed[1] == undisturbed[1]
    assert TapeRecorder.replayed > 6


@pytest.mark.parametrize("step", [1, 6])
@pytest.mark.parametrize("graphed", [False, True])
def test_a_member_that_diverges_stays_apart_in_replays(step: int, graphed: bool, tape: None, tmp_path, monkeypatch):
    """Its teacher's probabilities turn NaN, where the graph reads them: before the recording, or long after it."""
    whole, histories = trained(BANKS["bank"], tmp_path)
    lessons, make, asked = [], BankTargets.of, iter(range(1, 100))
    monkeypatch.setattr(BankTargets, "of", lambda *arguments: lessons.append(make(*arguments)) or lessons[0])

    def hurt() -> bool:
        if next(asked) == step:
            lessons[0].teachers[1] = math.nan
        return False

    students, training = members(BANKS["bank"], "cpu")
    recipe, device = {**LOOP_RECIPE, **BANKS["bank"]["recipe"]}, at("cpu", {}, graphs=graphed)
    found = fit_bank(students, training, recipe, kd.loss, device, tmp_path, silent(hurt))
    assert [became.diverged for became in found] == [None, step // 4, None]
    for became, rows in zip(found, histories, strict=True):
        assert without_time(became.history) == rows[: became.diverged]
    others = {name: value for name, value in weights_of(students).items() if not name.startswith("1.")}
    assert same(others, {name: whole[name] for name in others})
    assert TapeRecorder.replayed == (14 if graphed else 0)


def test_replays_are_compared_where_steps_are_finite() -> None:
    before, expected = [torch.zeros(3)], [torch.tensor([math.nan, 1.0, 0.0])]
    for found, agrees in (([math.nan, 1.0, 0.0], True), ([0.0, 2.0, 0.0], False), ([math.nan] * 3, False)):
        assert graphs.is_close(before, expected, [torch.tensor(found)]) == agrees


def test_scoring_between_epochs_and_the_best_weights_are_those_of_eager_steps(tape: None, tmp_path: Path) -> None:
    found = []
    for graphed in (False, True):
        task = made({"model": "resnet18", "recipe": {"select": "best-test-accuracy"}}, "cpu")
        scores = iter([0.1, 0.2, 0.3, 0.5, 0.4])

        def score(model: nn.Module, task: Task = task, scores: Any = scores) -> dict[str, float]:
            with torch.no_grad():
                logits, _ = model.eval()(task.training.normalised(torch.arange(COUNT)))
            return {"test_accuracy": next(scores), "logits": float(logits.detach().sum())}

        hooks = Hooks(score, lambda epoch, row: None, lambda: False, "60min")
        rows = fit(task, at("cpu", {}, graphs=graphed), tmp_path, hooks)
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
            found.append(fitted(dataclasses.replace(task, loss=loss), at("cpu", {}, graphs=graphed), folder, stop))
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
        fitted(loss, at("cpu", {}, graphs=True), tmp_path)


@pytest.mark.parametrize(("stage", "config"), [(teacher, core.teacher_config), (student, core.student_config)])
def test_a_job_on_a_cpu_refuses_graphs_before_any_work(stage: Any, config: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtime\.cuda_graphs=true is out of range: this job runs on a CPU"):
        stage.run(config(tmp_path, "runtime.device=cpu", "runtime.cuda_graphs=true"))
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")  # where a GPU has no deterministic way, PyTorch warns
@NEEDS_A_GPU
@pytest.mark.parametrize("name", ON_A_GPU)
def test_captured_steps_equal_eager_ones_on_a_gpu(name: str, tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    exact, found = name != "alexnet", []  # where its pools overlap, gradients are summed in any order
    monkeypatch.setattr(graphs, "TOLERANCE", 0.0 if exact else graphs.TOLERANCE)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        for graphed in (False, True):
            found.append(trained(ON_A_GPU[name], tmp_path / str(graphed), place="cuda", graphs=graphed))
    finally:
        torch.use_deterministic_algorithms(False)
    assert not caplog.records  # else eager steps took over
    assert not exact or (same(found[0][0], found[1][0]) and found[0][1] == found[1][1])


@NEEDS_A_GPU
@pytest.mark.parametrize("name", [name for name, case in {**CASES, **BANKS}.items() if "precision" not in case])
def test_steps_on_a_gpu_equal_those_on_a_cpu_in_float64(name: str, tmp_path: Path) -> None:
    here = trained(ON_A_GPU[name], tmp_path / "here", dtype=torch.float64)
    there = trained(ON_A_GPU[name], tmp_path / "there", place="cuda", graphs=True, dtype=torch.float64)
    for mine, its in zip(here[0].values(), there[0].values(), strict=True):
        torch.testing.assert_close(mine, its.cpu(), rtol=0, atol=1e-5)  # the rate is fp32 there


@NEEDS_A_GPU
def test_a_step_that_cannot_be_captured_says_so_in_one_line_and_the_next_run_can_be(tmp_path: Path, caplog) -> None:
    task = made(CASES["mixup"], "cuda")
    waits = dataclasses.replace(
        task, loss=lambda logits, batch: two_part_loss(logits, batch) * float(logits.detach().sum())
    )
    with pytest.raises(WorkError, match=r"a step cannot be recorded as a CUDA graph \(.*: runtime.cuda_graphs=false"):
        fitted(waits, at("cuda", {}, graphs=True), tmp_path)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    caplog.set_level(logging.INFO, "augdistill")
    trained(CASES["mixup"], tmp_path / "next", place="cuda", graphs=True)
    replayed = [f"steps of {size} images are replayed as a CUDA graph" for size in (8, 5)]
    assert caplog.messages == replayed
