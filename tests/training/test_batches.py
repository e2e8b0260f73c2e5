"""What a batch is: order and draws that no strategy changes, pixels that equal a naive computation in float64."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augdistill.augment import apply_all, draw_epoch
from augdistill.augment.normaliser import Normaliser
from augdistill.base.seeds import derive
from augdistill.data import load
from augdistill.training.batches import TrainingSet, batch_sizes, make_batch, one_hot, plan_epoch

COUNT, BATCH = 37, 8
FLIP_CROP = ["flip-crop", {"flip": 0.5, "padding": 0.125}]
CUTOUT = ["cutout", {"size": 0.5}]
MIXUP = ["mixup", {"alpha": 1.0, "prob": 1.0, "scope": "batch"}]
CUTMIX = ["cutmix", {"alpha": 1.0, "prob": 0.5, "scope": "batch"}]
STACKS: list[list[list[Any]]] = [[], [FLIP_CROP], [CUTOUT], [MIXUP], [CUTMIX], [FLIP_CROP, CUTMIX], [CUTMIX, FLIP_CROP]]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    """Digits as three channels with statistics of their own, float64."""
    cache = tmp_path_factory.mktemp("cache")
    images = load("digits", "train", root=Path("data"), cache=cache, size=16, channels=3)
    rows = slice(0, COUNT)
    mean, std = torch.tensor([[0.1, 0.3, 0.5], [0.2, 0.4, 0.8]], dtype=torch.float64)
    labels = torch.from_numpy(np.array(images.labels[rows]))
    return TrainingSet(torch.from_numpy(np.array(images.images[rows])), one_hot(labels, 10, torch.float64), mean, std)


def plan(training: TrainingSet, ops: Sequence[Any], seed: int = 5, role: str = "teacher", epoch: int = 0, **more: Any):
    return plan_epoch(training, ops, seed, role, epoch, BATCH, more.get("own_view", False))


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(37, 8, [8, 8, 8, 8, 5]), (16, 8, [8, 8]), (3, 8, [3]), (8, 8, [8]), (9, 8, [8, 1]), (3, 1, [1, 1, 1])],
)
def test_the_last_batch_may_be_short_and_is_used(count: int, batch_size: int, sizes: list[int]) -> None:
    assert batch_sizes(count, batch_size) == sizes


def test_normalising_is_that_of_the_definition(digits: TrainingSet) -> None:
    found = digits.normalised(torch.tensor([4, 0, 4]))
    naive = (digits.images.numpy()[[4, 0, 4]] / 255 - np.array([[[0.1]], [[0.3]], [[0.5]]])) / np.array(
        [[[0.2]], [[0.4]], [[0.8]]]
    )
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), naive, rtol=0, atol=1e-12)
    np.testing.assert_allclose(digits.normaliser.black.numpy(), [-0.5, -0.75, -0.625], atol=1e-12)
    normalise = Normaliser(digits.mean.float(), digits.std.float(), (3, 16, 16), torch.channels_last)
    single = normalise(digits.images[:2])
    assert single.is_contiguous(memory_format=torch.channels_last)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), digits.normalised(torch.arange(2)).numpy(), atol=1e-5)


def test_normalising_leaves_the_images_as_they_are(digits: TrainingSet) -> None:
    before = digits.images.clone()
    for index in range(len(batch_sizes(COUNT, BATCH))):
        make_batch(digits, [MIXUP, CUTOUT], plan(digits, [MIXUP, CUTOUT]), index)
    assert torch.equal(digits.images, before)


def test_labels_become_rows_of_a_unit_matrix() -> None:
    found = one_hot(torch.tensor([2, 0]), 3)
    assert found.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert found.dtype == torch.float32
    assert one_hot(torch.tensor([2, 0]), 3, torch.float64).dtype == torch.float64


@pytest.mark.parametrize("ops", STACKS, ids=lambda ops: "+".join(name for name, _ in ops) or "baseline")
def test_a_batch_is_its_part_of_the_epoch_augmented(digits: TrainingSet, ops: list[list[Any]]) -> None:
    epoch = 3
    planned = plan(digits, ops, epoch=epoch)
    order = np.random.default_rng(derive(5, "teacher", "order", epoch)).permutation(COUNT)
    sizes = [8, 8, 8, 8, 5]
    draws = draw_epoch(ops, 5, "teacher", "augment", epoch=epoch, sizes=sizes, side=16)
    seen = []
    for index, size in enumerate(sizes):
        part = slice(8 * index, 8 * index + size)
        rows = torch.from_numpy(order[part])
        drawn = [{name: torch.from_numpy(values[part]) for name, values in op.items()} for op in draws]
        images, targets, *_ = apply_all(ops, digits.normalised(rows), digits.targets[rows], drawn, digits.normaliser)
        batch = make_batch(digits, ops, planned, index)
        assert torch.equal(batch.images, images)
        assert torch.equal(batch.targets, targets)
        assert batch.teacher_images is None
        assert len(batch.images) == size
        seen += rows.tolist()
    assert sorted(seen) == list(range(COUNT))


def test_every_arm_visits_the_images_in_the_same_order(digits: TrainingSet) -> None:
    orders = [plan(digits, ops).order.tolist() for ops in STACKS]
    assert all(order == orders[0] for order in orders)
    others = [plan(digits, [], **change).order.tolist() for change in ({"seed": 6}, {"role": "student"}, {"epoch": 1})]
    assert all(order != orders[0] for order in others)


@pytest.mark.parametrize("op", [FLIP_CROP, CUTOUT, MIXUP, CUTMIX], ids=lambda op: op[0])
def test_what_else_is_stacked_changes_none_of_a_strategys_draws(digits: TrainingSet, op: list[Any]) -> None:
    others = [other for other in (FLIP_CROP, CUTOUT, MIXUP, CUTMIX) if other is not op]
    for own_view in (False, True):
        alone = plan(digits, [op], own_view=own_view)
        stacked = plan(digits, [*others[:2], op, others[2]], own_view=own_view)
        views = [(alone.draws, stacked.draws)]
        if own_view:
            assert alone.teacher_draws is not None
            assert stacked.teacher_draws is not None
            views.append((alone.teacher_draws, stacked.teacher_draws))
        for mine, together in views:
            assert mine[0].keys() == together[2].keys()
            assert all(torch.equal(mine[0][name], together[2][name]) for name in mine[0])


def test_a_teachers_own_view_is_another_draw_of_the_same_images(digits: TrainingSet) -> None:
    ops = [FLIP_CROP, MIXUP]
    without, own = plan(digits, ops), plan(digits, ops, own_view=True)
    assert all(torch.equal(a[name], b[name]) for a, b in zip(without.draws, own.draws, strict=True) for name in a)
    drawn = draw_epoch(ops, 5, "teacher", "teacher-view", epoch=0, sizes=[8, 8, 8, 8, 5], side=16)
    assert own.teacher_draws is not None
    for op, expected in zip(own.teacher_draws, drawn, strict=True):
        assert all(np.array_equal(op[name].numpy(), expected[name]) for name in expected)
    plain, batch = make_batch(digits, ops, without, 0), make_batch(digits, ops, own, 0)
    assert torch.equal(batch.images, plain.images)
    assert torch.equal(batch.targets, plain.targets)
    assert batch.teacher_images is not None
    assert batch.teacher_images.shape == batch.images.shape
    assert not torch.equal(batch.teacher_images, batch.images)
    clean = digits.normalised(own.order[:8])
    part = [{name: values[:8] for name, values in op.items()} for op in own.teacher_draws]
    expected, *_ = apply_all(ops, clean, digits.targets[own.order[:8]], part, digits.normaliser)
    assert torch.equal(batch.teacher_images, expected)


def test_what_the_teacher_says_is_mixed_as_the_labels_are(digits: TrainingSet) -> None:
    probabilities = torch.rand(COUNT, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = TrainingSet(digits.images, digits.targets, digits.mean, digits.std, teacher=probabilities)
    planned = plan(both, [MIXUP, CUTMIX])
    for index in range(5):
        part = slice(planned.offsets[index], planned.offsets[index + 1])
        rows = planned.order[part].tolist()
        expected = torch.cat([digits.targets[rows], probabilities[rows]], dim=1).numpy()
        for draws in planned.draws:
            lam, partner = draws["lam"][part].double().numpy(), draws["partner"][part].numpy()
            expected = np.array(
                [lam[i] * expected[i] + (1 - lam[i]) * expected[partner[i]] for i in range(len(expected))]
            )
        batch = make_batch(both, [MIXUP, CUTMIX], planned, index)
        assert batch.teacher is not None
        np.testing.assert_allclose(torch.cat([batch.targets, batch.teacher], dim=1), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_with_a_view_of_its_own_the_teacher_sees_other_partners_and_the_labels_are_the_students(digits, name) -> None:
    both = plan(digits, [[name, {"prob": 1.0}]], own_view=True)
    assert both.teacher_draws is not None
    (mine,), (theirs,) = both.draws, both.teacher_draws
    assert (mine["partner"] != theirs["partner"]).float().mean() > 0.5  # of 8 in a batch one in 8 is the same by chance
    first = slice(0, BATCH)
    labels = digits.targets[both.order[first]]
    lam, partner = mine["lam"][first, None].to(labels.dtype), mine["partner"][first]
    found = make_batch(digits, [[name, {}]], both, 0)
    torch.testing.assert_close(found.targets, lam * labels + (1 - lam) * labels[partner])


def test_a_batch_with_originals_has_each_image_as_it_was_before_the_last_strategy(digits: TrainingSet) -> None:
    probabilities = torch.randn(COUNT, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(1)
    taught = replace(digits, teacher=probabilities)
    ops = [FLIP_CROP, MIXUP]
    planned = plan(taught, ops, own_view=True)
    for index in (0, 4):  # the last one is short
        before, after = (make_batch(taught, some, planned, index) for some in (ops[:1], ops))
        found = make_batch(replace(taught, with_originals=True), ops, planned, index)
        count = len(after.images)
        assert (found.copies, found.count, after.count) == (2, count, count)
        for part in ("images", "targets", "teacher", "teacher_images"):
            values, pair = getattr(found, part), (getattr(before, part), getattr(after, part))
            assert torch.equal(values, torch.cat(pair)), part


@pytest.mark.parametrize("teacher", [False, True])
def test_an_image_is_mixed_where_another_has_a_share_of_its_label(digits: TrainingSet, teacher: bool) -> None:
    """Two mixing strategies, each of half of the images: their shares and partners are followed image by image."""
    says = torch.rand(COUNT, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    training = replace(digits, teacher=says if teacher else None, finds_mixed=True)
    each = {"prob": 0.5, "scope": "sample"}
    ops = [["mixup", {"alpha": 1.0, **each}], FLIP_CROP, ["cutmix", {"alpha": 1.0, **each}]]
    planned, seen = plan(training, ops), set()
    for index in range(5):
        batch, part = make_batch(training, ops, planned, index), planned.part(index)
        plain = make_batch(replace(training, finds_mixed=False), ops, planned, index)
        assert plain.is_mixed is None
        assert torch.equal(batch.images, plain.images)
        assert torch.equal(batch.targets, plain.targets)
        assert batch.teacher is plain.teacher is None or torch.equal(batch.teacher, plain.teacher)
        made_of = [{place} for place in range(len(batch.images))]
        for draws, share in ((planned.draws[0], "share"), (planned.draws[2], "lam")):
            own, partner = draws[share][part].tolist(), draws["partner"][part].tolist()
            made_of = [
                (made_of[i] if own[i] > 0 else set()) | (made_of[partner[i]] if own[i] < 1 else set())
                for i in range(len(made_of))
            ]
        assert batch.is_mixed is not None
        assert batch.is_mixed.tolist() == [len(images) > 1 for images in made_of]
        seen |= {*batch.is_mixed.tolist()}
    assert seen == {False, True}


def test_with_hard_labels_no_image_is_mixed(digits: TrainingSet) -> None:
    ops = [["mixup", {"alpha": 1.0, "prob": 1.0, "scope": "batch", "labels": "hard"}]]
    training = replace(digits, finds_mixed=True)
    batch = make_batch(training, ops, plan(training, ops), 0)
    assert batch.is_mixed is not None
    assert not batch.is_mixed.any()
