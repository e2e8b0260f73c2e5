"""What augmentations draw: ranges by hypothesis, distributions against the notes' closed forms and SciPy's."""

import inspect
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from augdistill.augment import AUGMENTATIONS
from augdistill.augment.shared import Samples

SIDE, COUNT = 32, 100_000
RARE = 1e-4  # p-value below which a test fails; seeds are fixed, so it fails always or never


def drawn(name: str, sizes=(COUNT,), side: int = SIDE, seed: int = 0, **params) -> dict[str, np.ndarray]:
    return AUGMENTATIONS[name].draw(np.random.default_rng(seed), list(sizes), side, **params)


def mean_is(values: np.ndarray, expected: float, sd: float) -> bool:
    """Return whether the mean lies within 4 standard errors."""
    return abs(values.mean() - expected) < 4 * sd / np.sqrt(len(values))


@pytest.mark.parametrize("flip", [0.5, 0.1])
def test_flip_rate(flip):
    assert stats.binomtest(int(drawn("flip-crop", flip=flip)["flip"].sum()), COUNT, flip).pvalue > RARE


def test_crop_offsets_are_uniform_and_independent():
    draws = drawn("flip-crop")
    offsets = {axis: draws[axis] + 4 for axis in ("down", "right")}
    for values in offsets.values():
        counts = np.bincount(values, minlength=9)
        assert len(counts) == 9
        assert stats.chisquare(counts).pvalue > RARE
    together = np.bincount(offsets["down"] * 18 + offsets["right"] * 2 + draws["flip"], minlength=162)
    assert stats.chisquare(together).pvalue > RARE


def test_cutout_masks_as_much_as_the_closed_form():
    per_axis = [min(SIDE, centre + 8) - max(0, centre - 8) for centre in range(SIDE)]
    expected = (sum(per_axis) / SIDE**2) ** 2
    assert round(100 * expected, 2) == 19.14
    draws = drawn("cutout")
    share = (draws["bottom"] - draws["top"]) * (draws["right"] - draws["left"]) / SIDE**2
    assert mean_is(share, expected, share.std())
    assert share.max() == 0.25
    assert share.min() == 64 / SIDE**2  # a quarter of the square, in the corner
    prepared = AUGMENTATIONS["cutout"].prepare(draws, SIDE)
    whole = Samples(torch.ones(2000, 1, SIDE, SIDE), torch.ones(2000, 1), None, torch.zeros(1))
    pixels = (
        AUGMENTATIONS["cutout"]
        .apply(whole, {key: torch.from_numpy(values[:2000]) for key, values in prepared.items()})
        .images
    )
    np.testing.assert_allclose(1 - pixels.double().mean(dim=(1, 2, 3)).numpy(), share[:2000])


@pytest.mark.parametrize(("side", "square", "theirs"), [(30, 15, 14), (28, 14, 14), (32, 16, 16), (31, 16, 16)])
def test_a_cutout_square_of_odd_side_keeps_it_and_loses_a_pixel_in_the_reference_code(side, square, theirs):
    draws = drawn("cutout", (1000,), side)
    inside = (draws["top"] > 0) & (draws["bottom"] < side)
    assert set((draws["bottom"] - draws["top"])[inside]) == {square}
    assert 2 * (square // 2) == theirs  # from y - length // 2 to y + length // 2 (github.com/uoguelph-mlrg/Cutout)


def test_cutout_centres_are_uniform_over_pixels():
    draws = drawn("cutout", size=1 / SIDE)  # a square of one pixel is its centre
    assert stats.chisquare(np.bincount(draws["top"] * SIDE + draws["left"], minlength=SIDE**2)).pvalue > RARE


@pytest.mark.parametrize("scope", ["batch", "sample"])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_mixup_lam_is_beta(scope, alpha):
    lam = drawn("mixup", [2] * (COUNT // 2), scope=scope, alpha=alpha)["lam"]
    lam = lam[::2].astype(float) if scope == "batch" else lam.astype(float)
    assert stats.kstest(lam, stats.beta(alpha, alpha).cdf).pvalue > RARE
    variance = 1 / (4 * (2 * alpha + 1))  # 1/12 at alpha = 1
    assert mean_is(lam, 0.5, variance**0.5)
    assert lam.var() == pytest.approx(variance, rel=0.02)


def cutmix_closed_form() -> tuple[float, float]:
    """Return mean and s.d. of the share that is kept, at alpha = 1: a sum over sides of the box and over its centres.

    lam is uniform, so that int(32 sqrt(1 - lam)) is s with probability ((s + 1)^2 - s^2) / 32^2; rows and columns are
    cut at the edge independently.
    """
    mean = square = 0.0
    for s in range(SIDE):
        lengths = [min(SIDE, centre + s // 2) - max(0, centre - s // 2) for centre in range(SIDE)]
        kept = 1 - np.outer(lengths, lengths) / SIDE**2
        mean += (2 * s + 1) / SIDE**2 * kept.mean()
        square += (2 * s + 1) / SIDE**2 * np.square(kept).mean()
    return mean, (square - mean**2) ** 0.5


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_cutmix_keeps_as_much_as_the_closed_form(scope):
    mean, sd = cutmix_closed_form()
    assert (round(mean, 4), round(sd, 5)) == (0.7007, 0.18279)
    assert "mean 0.7007, s.d. 0.1828 where mixed" in inspect.getdoc(AUGMENTATIONS["cutmix"].draw)
    lam = drawn("cutmix", [1] * COUNT, scope=scope, prob=1.0)["lam"].astype(float)
    assert mean_is(lam, mean, sd)
    assert lam.std() == pytest.approx(sd, abs=0.0015)


def test_cutmix_boxes_are_the_definition():
    """Draw the very same chance again, and make each box in plain Python."""
    sizes, prob = [3] * 400, 0.5
    draws = drawn("cutmix", sizes, seed=5, prob=prob)
    rng = np.random.default_rng(5)
    rng.random(sum(sizes))  # the partners'
    mixed = rng.random(len(sizes)) < prob
    centres = rng.integers(0, SIDE, (2, len(sizes)))
    for batch, lam in enumerate(rng.beta(1.0, 1.0, len(sizes))):
        side = int(SIDE * (1 - lam) ** 0.5) if mixed[batch] else 0
        y, x = (int(value) for value in centres[:, batch])
        top, bottom = max(0, y - side // 2), min(SIDE, y + side // 2)
        left, right = max(0, x - side // 2), min(SIDE, x + side // 2)
        found = {key: draws[key][3 * batch + 1] for key in ("top", "bottom", "left", "right")}
        assert found == {"top": top, "bottom": bottom, "left": left, "right": right}
        kept = 1 - (bottom - top) * (right - left) / SIDE**2
        assert draws["lam"][3 * batch + 1] == pytest.approx(kept, rel=1e-6)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_prob_is_the_share_that_is_mixed(name, scope):
    """Per batch in scope batch, per sample in scope sample; cutmix boxes of less than two pixels keep lam at 1."""
    sizes, prob = [2] * 20_000, 0.3
    usual, sure = (drawn(name, sizes, scope=scope, prob=p)["lam"] for p in (prob, 1.0))
    could = (sure < 1) if scope == "sample" else (sure < 1)[::2]
    mixed = (usual < 1) if scope == "sample" else (usual < 1)[::2]
    assert stats.binomtest(int(mixed[could].sum()), int(could.sum()), prob).pvalue > RARE
    together = np.mean((usual[::2] < 1) == (usual[1::2] < 1))
    assert together == 1 if scope == "batch" else together < 0.7


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_all_permutations_of_a_batch_are_equally_likely(name, scope):
    partners = drawn(name, [3] * 30_000, scope=scope)["partner"].reshape(-1, 3)
    counts = [int((partners == order).all(axis=1).sum()) for order in permutations(range(3))]
    assert sum(counts) == 30_000
    assert stats.chisquare(counts).pvalue > RARE


def test_partners_and_lam_are_independent():
    draws = drawn("mixup", [2] * 50_000, scope="sample")
    swapped = draws["lam"][draws["partner"] != np.tile([0, 1], 50_000)]
    kept = draws["lam"][draws["partner"] == np.tile([0, 1], 50_000)]
    assert stats.ks_2samp(swapped, kept).pvalue > RARE
    assert abs(np.corrcoef(draws["lam"][:-1], draws["lam"][1:])[0, 1]) < 4 / np.sqrt(len(draws["lam"]))


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
    crop = drawn("flip-crop", sizes, side, seed, flip=flip, padding=padding)
    pad = round(side * padding)
    assert crop["flip"].dtype == bool
    assert all(abs(crop[axis]).max() <= pad for axis in ("down", "right"))
    box = drawn("cutout", sizes, side, seed, size=size)
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
    draws = drawn(name, sizes, side, seed, alpha=alpha, prob=prob, scope=scope)
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
    draws = drawn(name, [64], 32, scope="sample", prob=1.0)
    assert len(np.unique(draws["lam"])) > 30


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_what_is_drawn_beside_lam_depends_on_neither_alpha_nor_prob(name):
    usual, other = drawn(name, [6, 1], seed=3), drawn(name, [6, 1], seed=3, alpha=0.2, prob=0.9)
    assert np.array_equal(usual["partner"], other["partner"])
    sure, mostly = drawn(name, [4] * 200, seed=3, prob=1.0), drawn(name, [4] * 200, seed=3, prob=0.7)
    mixed = mostly["lam"] < 1
    assert 0 < mixed.mean() < 1
    assert np.array_equal(sure["lam"][mixed], mostly["lam"][mixed])
