"""What strategies share: partners, boxes, scopes and probabilities, labels; blends and masks exactly."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from augdistill.augment.shared import Samples, as_images, as_mask, as_rows, blend, gather_images, select
from augdistill.base.errors import ConfigError
from augmented import BLACK, RARE, SAMPLED, SIZES, applied, drawn, epoch_of, many


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_prob_zero_changes_nothing(name, scope):
    images, targets = epoch_of(sum(SIZES))
    found = applied(name, images, targets, drawn(name, prob=0.0, scope=scope))
    assert torch.equal(found[0], images)
    assert torch.equal(found[1], targets)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_hard_labels_are_those_of_the_larger_part_of_the_same_mixed_images(name):
    sizes = [64]
    soft, hard = (drawn(name, sizes, 32, **SAMPLED, labels=labels) for labels in ("soft", "hard"))
    first, second = torch.zeros(64, 3, 32, 32), torch.eye(64)
    images = first + torch.arange(64.0)[:, None, None, None]
    (pixels, labels), (same_pixels, hard_labels) = (
        applied(name, images, second, draws, sizes) for draws in (soft, hard)
    )
    assert torch.equal(pixels, same_pixels)
    partner, mixed = soft["partner"], soft["lam"] < 1
    assert 0 < hard_labels.diagonal().sum() < 64
    for i in np.flatnonzero(mixed & (partner != np.arange(64))):
        assert labels[i, i] == pytest.approx(float(soft["lam"][i]))
        assert hard_labels[i, i if soft["lam"][i] >= 0.5 else partner[i]] == 1
    assert torch.equal(hard_labels.sum(1), torch.ones(64))


def test_labels_are_soft_or_hard():
    for name in ("mixup", "cutmix"):
        with pytest.raises(ConfigError, match=f"{name}.labels=har is unknown .did you mean hard"):
            drawn(name, labels="har")


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_prob_is_the_share_that_is_mixed(name, scope):
    """Per batch in scope batch, per sample in scope sample; cutmix boxes of less than two pixels keep lam at 1."""
    sizes, prob = [2] * 20_000, 0.3
    usual, sure = (many(name, sizes, scope=scope, prob=p)["lam"] for p in (prob, 1.0))
    could = (sure < 1) if scope == "sample" else (sure < 1)[::2]
    mixed = (usual < 1) if scope == "sample" else (usual < 1)[::2]
    assert stats.binomtest(int(mixed[could].sum()), int(could.sum()), prob).pvalue > RARE
    together = np.mean((usual[::2] < 1) == (usual[1::2] < 1))
    assert together == 1 if scope == "batch" else together < 0.7


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_all_permutations_of_a_batch_are_equally_likely(name, scope):
    partners = many(name, [3] * 30_000, scope=scope)["partner"].reshape(-1, 3)
    counts = [int((partners == order).all(axis=1).sum()) for order in permutations(range(3))]
    assert sum(counts) == 30_000
    assert stats.chisquare(counts).pvalue > RARE


sizes_of_batches = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(
    sizes=sizes_of_batches,
    side=st.integers(4, 40),
    seed=st.integers(0, 1000),
    flip=st.floats(0, 1),
    padding=st.floats(0, 0.5),
    size=st.floats(0.01, 1),
)
@settings(deadline=None, max_examples=60)
def test_image_only_draws_stay_in_range(sizes, side, seed, flip, padding, size):
    crop = many("flip-crop", sizes, side, seed, flip=flip, padding=padding)
    pad = round(side * padding)
    assert crop["flip"].dtype == bool
    assert all(abs(crop[axis]).max() <= pad for axis in ("down", "right"))
    box = many("cutout", sizes, side, seed, size=size)
    heights, widths = box["bottom"] - box["top"], box["right"] - box["left"]
    square = max(1, round(size * side))
    assert min(heights.min(), widths.min()) >= (square // 2 or 1)
    assert max(heights.max(), widths.max()) <= square
    for values in (*crop.values(), *box.values()):
        assert values.shape == (sum(sizes),)
    assert min(box["top"].min(), box["left"].min()) >= 0
    assert max(box["bottom"].max(), box["right"].max()) <= side


@given(
    name=st.sampled_from(["mixup", "cutmix"]),
    scope=st.sampled_from(["batch", "sample"]),
    sizes=sizes_of_batches,
    side=st.integers(4, 40),
    seed=st.integers(0, 1000),
    alpha=st.floats(0.05, 8),
    prob=st.floats(0, 1),
)
@settings(deadline=None, max_examples=100)
def test_mixing_draws_stay_in_range(name, scope, sizes, side, seed, alpha, prob):
    draws = many(name, sizes, side, seed, alpha=alpha, prob=prob, scope=scope)
    assert all(values.shape == (sum(sizes),) for values in draws.values())
    assert draws["lam"].dtype == np.float32
    assert ((draws["lam"] >= 0) & (draws["lam"] <= 1)).all()
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        assert sorted(draws["partner"][end - size : end]) == list(range(size))
        if scope == "batch":
            shared = [key for key in draws if key != "partner"]
            assert all(len(np.unique(draws[key][end - size : end])) == 1 for key in shared)
    if name == "cutmix":
        assert all(
            (draws[edge] >= 0).all() and (draws[edge] <= side).all() for edge in ("top", "bottom", "left", "right")
        )
        area = (draws["bottom"] - draws["top"]) * (draws["right"] - draws["left"])
        np.testing.assert_allclose(draws["lam"], 1 - area / side**2, rtol=1e-6)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_sample_scope_draws_each_sample_its_own(name):
    draws = many(name, [64], 32, scope="sample", prob=1.0)
    assert len(np.unique(draws["lam"])) > 30


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_what_is_drawn_beside_lam_depends_on_neither_alpha_nor_prob(name):
    usual, other = many(name, [6, 1], seed=3), many(name, [6, 1], seed=3, alpha=0.2, prob=0.9)
    assert np.array_equal(usual["partner"], other["partner"])
    sure, mostly = many(name, [4] * 200, seed=3, prob=1.0), many(name, [4] * 200, seed=3, prob=0.7)
    mixed = mostly["lam"] < 1
    assert 0 < mixed.mean() < 1
    assert np.array_equal(sure["lam"][mixed], mostly["lam"][mixed])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_taken_as_indexing_takes_them_in_their_memory_format(channels, layout):
    images = torch.arange(7 * channels * 25, dtype=torch.float32).reshape(7, channels, 5, 5)
    index = torch.tensor([6, 0, 0, 3])
    found = gather_images(images.contiguous(memory_format=layout), index)
    assert torch.equal(found, images[index])
    assert found.is_contiguous(memory_format=layout)
    assert torch.equal(as_images(as_rows(images.contiguous(memory_format=layout))), images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_a_choice_is_exact(dtype):
    own, other = (torch.arange(start, start + 200, 10).to(dtype) for start in (0, 55))
    mask = torch.arange(20) % 3 == 0
    found = select(as_mask(mask, dtype), own, other.clone())
    assert torch.equal(found, torch.where(mask, other, own))


def test_a_blend_is_the_weighted_sum_and_exact_at_its_ends():
    own, partners = torch.tensor([0.1, 1e30, -3.0, 0.7]), torch.tensor([1e30, 0.1, 5.0, 0.3])
    lam = torch.tensor([1.0, 0.0, 0.25, 0.5])
    assert blend(own, partners.clone(), lam).tolist() == [own[0], partners[1], 3.0, 0.5]
    assert blend(own.bfloat16(), partners.bfloat16(), lam).dtype == torch.bfloat16


def test_targets_and_what_the_teacher_says_are_mixed_alike():
    images, targets = epoch_of(3)
    samples = Samples(images, targets, 2 * targets, BLACK)
    found = samples.mixed(images, torch.tensor([2, 0, 1]), torch.tensor([0.25, 1.0, 0.0]))
    expected = torch.stack([0.25 * targets[0] + 0.75 * targets[2], targets[1], targets[1]])
    torch.testing.assert_close(found.targets, expected, rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(found.teacher, 2 * expected, rtol=1e-15, atol=1e-15)
    assert samples._replace(teacher=None).mixed(images, torch.arange(3), torch.ones(3)).teacher is None
