"""The loop against a naive one, written from the definitions, in float64: losses, weights, history, divergence."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import core
from augdistill.augment import draw_epoch
from augdistill.base.errors import DivergedError, StoppedError
from augdistill.base.seeds import derive
from augdistill.training.batches import Batch, TrainingSet, sound_batch_size
from augdistill.training.checkpoint import State
from augdistill.training.device import resolve
from augdistill.training.loop import keep_best
from augdistill.training.sgd import learning_rate
from core import COUNT, EPOCHS, LOOP_RECIPE, MIXUP, small_model, train, two_part_loss

RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "schedule": "constant"},
    "momentum": {"nesterov": False},
    "nesterov": {},
    "warm-up": {"warmup_epochs": 1.0},
    "fractional warm-up": {"warmup_epochs": 0.6},
    "all warm-up": {"warmup_epochs": 5.0},
    "clipped": {"clip_norm": 0.7, "warmup_epochs": 1.0, "lr": 0.5},
    "multi-step": {"schedule": "multistep", "milestones": [2, 4], "gamma": 0.2, "warmup_epochs": 1.0},
    "one-cycle": {"schedule": "one-cycle", "warmup_share": 0.2, "warmup_epochs": 3.0},
    "one-cycle without warm-up": {"schedule": "one-cycle", "warmup_share": 0.0},
    "constant": {"schedule": "constant", "warmup_epochs": 2.0, "clip_norm": 2.0},
}


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    return core.small_set()


def naive_rate(recipe: dict[str, Any], step: int, steps: int) -> float:
    """The learning rate of a step, from the definition: warm-up over the first steps, then the schedule."""
    begin, total = recipe["warmup_epochs"] * steps, recipe["epochs"] * steps
    if recipe["schedule"] == "one-cycle":
        peak = max(round(recipe["warmup_share"] * total), 1)  # a whole number here
        rates = [*np.linspace(0, recipe["lr"], peak + 1)[1:], *np.linspace(recipe["lr"], 0, total - peak + 2)[1:-1]]
        return float(rates[step])
    factor = min(1.0, (step + 1) / begin) if begin else 1.0
    if recipe["schedule"] == "cosine" and step > begin:
        factor *= (1 + math.cos(math.pi * (step - begin) / (total - begin))) / 2
    for milestone in recipe["milestones"] if recipe["schedule"] == "multistep" else []:
        factor *= recipe["gamma"] if step >= milestone * steps else 1
    return recipe["lr"] * factor


def naive_batches(training: TrainingSet, ops: list[Any], seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield an epoch's images and targets, each image on its own, mixup written out."""
    order = np.random.default_rng(derive(seed, "teacher", "order", epoch)).permutation(COUNT)
    sizes = [8, 8, 8, 5]
    draws = draw_epoch(ops, seed, "teacher", "augment", epoch=epoch, sizes=sizes, side=16)
    for start, size in zip((0, 8, 16, 24), sizes, strict=True):
        rows = order[start : start + size]
        images, targets = (training.images[rows].double() / 255 - 0.4) / 0.3, training.targets[rows]
        for op in draws:
            lam = torch.from_numpy(op["lam"][start : start + size]).double()[:, None]
            partner = op["partner"][start : start + size]
            images = lam[..., None, None] * images + (1 - lam[..., None, None]) * images[partner]
            targets = lam * targets + (1 - lam) * targets[partner]
        yield images, targets


def naive_fit(network: nn.Module, training: TrainingSet, ops: list[Any], recipe: dict[str, Any], seed: int):
    """Train by a loop of formulas, without an optimizer; return every epoch's means and every step's clipping."""
    parameters = list(network.parameters())
    velocity: list[Tensor | None] = [None] * len(parameters)
    key, step, history = derive(seed, "teacher", "dropout") >> 1, 0, []
    network.train()
    for epoch in range(recipe["epochs"]):
        sums = np.zeros(4)
        for images, targets in naive_batches(training, ops, seed, epoch):
            logits, _ = network(images, torch.tensor(key + step))
            ce = -(targets * (logits - logits.logsumexp(1, keepdim=True))).sum() / len(images)
            kd = (logits**2).sum() / logits.numel()
            loss = 0.75 * ce + 0.25 * kd
            gradients = torch.autograd.grad(loss, parameters)
            norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))
            limit = recipe["clip_norm"] or math.inf
            scale = min(1.0, limit / (norm + 1e-6)) if limit < math.inf else 1.0
            rate = naive_rate(recipe, step, 4)
            for index, (value, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                change = scale * gradient + recipe["weight_decay"] * value.detach()
                if recipe["momentum"]:
                    before = velocity[index]
                    velocity[index] = change if before is None else recipe["momentum"] * before + change
                    change = change + recipe["momentum"] * velocity[index] if recipe["nesterov"] else velocity[index]
                value.data = value.data - rate * change
            size = len(images)
            sums += [size * loss.item(), size * ce.item(), size * kd.item(), norm > limit]
            step += 1
        history.append([*(sums / [COUNT, COUNT, COUNT, 4]), rate])
    return history


@pytest.mark.parametrize("name", RECIPES)
def test_it_equals_a_naive_loop_in_float64(name: str, training: TrainingSet, tmp_path: Path) -> None:
    recipe = {**LOOP_RECIPE, **RECIPES[name]}
    ours, theirs = small_model("lenet"), small_model("lenet")
    rows = train(ours, training, tmp_path, recipe)
    expected = naive_fit(theirs, training, [], recipe, 3)
    names = ["loss", "ce", "kd", "clipped", "lr"] if recipe["clip_norm"] else ["loss", "ce", "kd", "lr"]
    wanted = [[row[0], row[1], row[2], *([row[3]] if recipe["clip_norm"] else []), row[4]] for row in expected]
    np.testing.assert_allclose([[row[key] for key in names] for row in rows], wanted, rtol=0, atol=1e-10)
    assert all(list(row) == ["epoch", "loss", "ce", "kd", *names[3:][::-1], "images_per_second"] for row in rows)
    for mine, naive in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, naive, rtol=0, atol=1e-10)
    if recipe["clip_norm"] == 0.7:
        assert len({row["clipped"] for row in rows}) > 1  # some steps were clipped, some were not


@pytest.mark.parametrize("name", ["resnet18", "drops"])
def test_batch_norm_dropout_and_mixed_labels_equal_the_naive_loop_too(name, training, tmp_path: Path) -> None:
    ours, theirs = small_model(name), small_model(name)
    before = [value.clone() for value in ours.state_dict().values()]
    recipe = {**LOOP_RECIPE, "clip_norm": 1.0, "warmup_epochs": 1.0, "lr": 0.02}
    rows = train(ours, training, tmp_path, recipe, ops=MIXUP)
    expected = naive_fit(theirs, training, MIXUP, recipe, 3)
    np.testing.assert_allclose([row["loss"] for row in rows], [row[0] for row in expected], rtol=0, atol=1e-10)
    for mine, naive, first in zip(ours.state_dict().values(), theirs.state_dict().values(), before, strict=True):
        torch.testing.assert_close(mine, naive, rtol=0, atol=1e-10)
        assert not torch.equal(mine, first)  # buffers included: everything was trained


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_rates_are_those_of_the_definition(name: str, steps: int) -> None:
    recipe = {**LOOP_RECIPE, **RECIPES[name]}
    found = [learning_rate(recipe, step, steps) for step in range(EPOCHS * steps)]
    np.testing.assert_allclose(found, [naive_rate(recipe, step, steps) for step in range(EPOCHS * steps)], atol=1e-15)
    assert max(found) == pytest.approx(recipe["lr"])
    assert min(found) > 0


@pytest.mark.parametrize("last_is_clipped", [False, True])
def test_clipped_steps_are_counted_by_steps_whatever_the_size_of_a_batch(last_is_clipped, training, tmp_path) -> None:
    def loss(logits: Tensor, batch: Batch) -> Tensor:
        is_clipped = (len(batch.images) == 5) == last_is_clipped  # of 8, 8, 8 and 5 images
        return two_part_loss(logits, batch) * (1e3 if is_clipped else 1e-3)

    rows = train(small_model("lenet"), training, tmp_path, {"clip_norm": 1.0, "epochs": 1, "lr": 1e-6}, loss=loss)
    assert rows[0]["clipped"] == (0.25 if last_is_clipped else 0.75)  # by images 5 / 29, 24 / 29


def test_rates_written_out() -> None:
    recipe = {**LOOP_RECIPE, "epochs": 4, "warmup_epochs": 2.0}
    rising, falling = [0.025, 0.05, 0.075, 0.1], [0.1, 0.0853553, 0.05, 0.0146447]
    found = [learning_rate(recipe, step, 2) for step in range(8)]
    np.testing.assert_allclose(found, rising + falling, atol=1e-7)
    recipe = {**LOOP_RECIPE, "schedule": "multistep", "milestones": [1, 3]}
    found = [learning_rate(recipe, step, 2) for step in range(8)]
    np.testing.assert_allclose(found, [0.1] * 2 + [0.01] * 4 + [0.001] * 2, atol=1e-12)


@pytest.mark.parametrize(("share", "epochs", "steps"), [(0.2, 5, 4), (0.25, 2, 10), (0.5, 1, 6), (0.23, 10, 10)])
def test_one_cycle_is_pytorchs_with_straight_lines(share: float, epochs: int, steps: int) -> None:
    count = epochs * steps
    peak = share * count
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=0.3,
        total_steps=count + 1,
        pct_start=peak / (count + 1),
        anneal_strategy="linear",
        cycle_momentum=False,
        div_factor=peak,
        final_div_factor=1e12,
    )
    expected = []
    for _ in range(count):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step(), theirs.step()
    recipe = {**LOOP_RECIPE, "lr": 0.3, "epochs": epochs, "schedule": "one-cycle", "warmup_share": share}
    found = [learning_rate(recipe, step, steps) for step in range(count)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert found[-1] == pytest.approx(0.3 / (count + 1 - peak))


@pytest.mark.parametrize("share", [0.03, 0.31, 0.77, 1.0])
def test_one_cycle_rises_and_falls_by_equal_steps_where_its_peak_is_between_two(share: float) -> None:
    recipe = {**LOOP_RECIPE, "epochs": 3, "schedule": "one-cycle", "warmup_share": share}
    found = np.array([learning_rate(recipe, step, 7) for step in range(21)])
    peak = max(21 * share, 1)
    assert 0.9 * recipe["lr"] < found.max() <= recipe["lr"]
    assert abs(found.argmax() + 1 - peak) < 1
    for part in (found[: int(peak)], found[int(peak) :]):
        np.testing.assert_allclose(np.diff(part, 2), 0, atol=1e-12)


def test_precision_of_history_is_that_of_the_targets(training: TrainingSet, tmp_path: Path) -> None:
    single = TrainingSet(training.images, training.targets.float(), training.mean.float(), training.std.float())
    seen = []

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        seen.append((logits.dtype, batch.images.dtype))
        return two_part_loss(logits, batch)

    network = small_model("lenet", torch.float32)
    train(network, single, tmp_path, {**LOOP_RECIPE, "epochs": 1}, loss=loss, device=resolve("cpu", "bf16", 1))
    assert set(seen) == {(torch.float32, torch.float32)}  # the forward pass alone is bf16
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}


def test_the_model_trains_again_after_it_was_scored(training: TrainingSet, tmp_path: Path) -> None:
    def score(network: nn.Module) -> dict[str, float]:
        network.eval()
        return {"validation_accuracy": 0.25}

    plain, scored = small_model("resnet18"), small_model("resnet18")
    told: list[tuple[int, dict[str, float]]] = []
    train(plain, training, tmp_path)
    rows = train(scored, training, tmp_path, score=score, report=lambda epoch, row: told.append((epoch, row)))
    assert told == list(enumerate(rows))
    assert [row["validation_accuracy"] for row in rows] == [0.25] * EPOCHS
    for one, other in zip(plain.state_dict().values(), scored.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_with_its_epoch(bad: float, training, tmp_path: Path) -> None:
    steps = []

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        steps.append(len(batch.images))
        return two_part_loss(logits, batch) * (bad if len(steps) == 6 else 1)

    with pytest.raises(DivergedError, match=r"the training loss is (nan|inf) in epoch 1: a lower optim.lr may train"):
        train(small_model("lenet"), training, tmp_path, loss=loss)
    assert len(steps) == 8


def test_weights_that_blow_up_in_the_very_last_step_are_no_result(training, tmp_path: Path) -> None:
    def loss(logits: Tensor, batch: Batch) -> Tensor:
        return two_part_loss(logits, batch) * 1e200  # finite, but its gradients overflow the weights

    recipe = {**LOOP_RECIPE, "epochs": 1, "batch_size": COUNT, "lr": 1e200}
    with pytest.raises(DivergedError, match="the weights of the last epoch are not finite"):
        train(small_model("lenet"), training, tmp_path, recipe, loss=loss)


@pytest.mark.parametrize("interrupted", [False, True])
def test_training_ends_at_the_first_epoch_that_is_good_enough(interrupted: bool, training, tmp_path: Path) -> None:
    seen = []

    def score(network: nn.Module) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in network.state_dict().items()})
        return {"validation_accuracy": [0.1, 0.5, 0.7, 0.2, 0.9][len(seen) - 1]}

    recipe = {**LOOP_RECIPE, "stop_accuracy": 0.5}
    network = small_model("resnet18")
    if interrupted:  # after the epoch that was good enough, before the run was written down
        with pytest.raises(StoppedError):
            train(small_model("resnet18"), training, tmp_path, recipe, score=score, stop=lambda: len(seen) == 2)
    rows = train(network, training, tmp_path, recipe, score=score)
    assert [row["validation_accuracy"] for row in rows] == [0.1, 0.5]
    assert all(torch.equal(value, seen[1][name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("select", "column", "scores"),
    [
        ("best-test-accuracy", "test_accuracy", [0.1, 0.4, 0.3, 0.4, 0.2]),
        ("best-test-loss", "test_loss", [math.nan, 1.5, 1.7, 1.5, math.inf]),
    ],
)
def test_the_weights_of_the_best_epoch_on_the_test_set_are_kept_where_asked(
    select: str, column: str, scores: list[float], training, tmp_path: Path
) -> None:
    scored = iter(scores)
    states = []

    def score(network: nn.Module) -> dict[str, float]:
        states.append({name: value.clone() for name, value in network.state_dict().items()})
        return {column: next(scored)}

    network = small_model("resnet18")
    rows = train(network, training, tmp_path, {**LOOP_RECIPE, "select": select}, score=score)
    assert len(rows) == EPOCHS
    assert all(torch.equal(value, states[1][name]) for name, value in network.state_dict().items())
    assert not torch.equal(network.head.weight, states[4]["head.weight"])
    state = State()
    keep_best(state, network, LOOP_RECIPE, {"test_accuracy": 1.0})
    assert state.best == {}  # only where asked


@pytest.mark.parametrize(
    ("name", "batch_size", "told"),
    [
        ("resnet18", 28, r"has 1 image and moves .* as much as one of 28: .*optim\.batch_size=29 "),
        ("resnet18", 14, r"has 1 image .* one of 14: .*optim\.batch_size=15 "),
        ("resnet18", 1, r"has 1 image .* one of 1: .*optim\.batch_size=3 "),
        ("resnet18", 8, None),  # five images
        ("resnet18", 29, None),
        ("lenet", 28, None),  # nothing runs along
    ],
)
def test_a_last_batch_too_small_for_batch_norm_is_told_once_before_training(
    name: str,
    batch_size: int,
    told: str | None,
    training: TrainingSet,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stop() -> bool:
        assert len(caplog.records) == (told is not None)
        return False

    train(small_model(name), training, tmp_path, {"batch_size": batch_size, "epochs": 2}, stop=stop)
    assert len(caplog.records) == (told is not None)
    assert told is None or re.search(told, caplog.messages[0])


@pytest.mark.parametrize(
    ("count", "batch_size"), [(50_000, 128), (50_001, 128), (359, 2), (129, 128), (1437, 359), (2, 1)]
)
def test_the_batch_size_that_is_advised_leaves_no_small_batch(count: int, batch_size: int) -> None:
    found = sound_batch_size(count, batch_size)
    last = count % found or found
    assert last > 1
    assert last >= found / 4
    between = range(min(found, batch_size) + 1, max(found, batch_size))
    assert all(size < 2 or count % size == 1 or 0 < 4 * (count % size) < size for size in between)  # none is nearer
