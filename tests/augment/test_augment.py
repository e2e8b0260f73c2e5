"""Augmentations, pixel by pixel, against naive float64 loops and torchvision; their contracts by hypothesis."""

import inspect
import itertools
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch import Tensor
from torch.func import vmap
from torchvision.transforms import functional as tv

from augdistill.augment import AUGMENTATIONS, apply_all, check_ops, draw_epoch
from augdistill.augment.normaliser import Normaliser
from augdistill.augment.shared import Samples
from augdistill.base.errors import ConfigError
from augdistill.config import conf_dir

BLACK = torch.tensor([-1.9, -1.8, -1.7], dtype=torch.float64)
AS_THEY_ARE = Normaliser(
    -BLACK, torch.ones_like(BLACK), (3, 12, 12), torch.contiguous_format
)  # of which BLACK is black
SIZES = [6, 6, 1]  # the last batch is short
SAMPLED = {"scope": "sample", "prob": 1.0}
BOTH = [(name, {}) for name in AUGMENTATIONS] + [
    (name, params) for name in ("mixup", "cutmix") for params in (SAMPLED, {**SAMPLED, "labels": "hard"})
]
every_strategy = pytest.mark.parametrize(("name", "params"), BOTH, ids=lambda value: str(value or ""))


def epoch_of(count: int, side: int = 12, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, side, side, generator=generator, dtype=torch.float64)
    return images, torch.randn(count, 7, generator=generator, dtype=torch.float64)


def drawn(name: str, sizes=SIZES, side: int = 12, seed: int = 0, **params) -> dict[str, np.ndarray]:
    return AUGMENTATIONS[name].draw(np.random.default_rng(seed), sizes, side, **params)


def tensors(draws: dict[str, np.ndarray], start: int = 0, stop: int | None = None) -> dict[str, Tensor]:
    return {key: torch.from_numpy(values[start:stop]) for key, values in draws.items()}


def prepared(name: str, draws: dict[str, np.ndarray], side: int = 12) -> dict[str, Tensor]:
    return tensors(AUGMENTATIONS[name].prepare(draws, side))


def applied(name: str, images: Tensor, targets: Tensor, draws, sizes=SIZES, black=BLACK) -> tuple[Tensor, Tensor]:
    """Apply batch by batch and return the whole epoch."""
    draws, ends = AUGMENTATIONS[name].prepare(draws, images.shape[-1]), np.cumsum(sizes)
    parts = [
        moved(name, images[end - size : end], targets[end - size : end], tensors(draws, end - size, end), black)
        for size, end in zip(sizes, ends, strict=True)
    ]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def moved(name: str, images: Tensor, targets: Tensor, draws, black: Tensor = BLACK) -> tuple[Tensor, Tensor]:
    """Apply a strategy to one batch, without a teacher."""
    found = AUGMENTATIONS[name].apply(Samples(images, targets, None, black), draws)
    return found.images, found.targets


def first_of_batch(index: int, sizes) -> int:
    ends = np.cumsum(sizes)
    batch = int(np.searchsorted(ends, index, side="right"))
    return int(ends[batch] - sizes[batch])


def by_hand(name: str, images: np.ndarray, targets: np.ndarray, draws, sizes=SIZES) -> tuple[np.ndarray, np.ndarray]:
    """Augment image by image and pixel by pixel, from the definitions."""
    new_images, new_targets = images.copy(), targets.copy()
    _, _, height, width = images.shape
    for i in range(len(images)):
        draw = {key: values[i] for key, values in draws.items()}
        partner = first_of_batch(i, sizes) + draw.get("partner", 0)
        if "lam" in draw:
            lam, share = np.float64(draw["lam"]), np.float64(draw.get("share", draw["lam"]))
            new_targets[i] = share * targets[i] + (1 - share) * targets[partner]
        for y in range(height):
            for x in range(width):
                if name == "flip-crop":
                    from_y = y + draw["down"]
                    from_x = (width - 1 - x if draw["flip"] else x) + draw["right"]
                    inside = 0 <= from_y < height and 0 <= from_x < width
                    new_images[i, :, y, x] = images[i, :, from_y, from_x] if inside else BLACK.numpy()
                elif name == "mixup":
                    new_images[i, :, y, x] = lam * images[i, :, y, x] + (1 - lam) * images[partner, :, y, x]
                elif draw["top"] <= y < draw["bottom"] and draw["left"] <= x < draw["right"]:
                    new_images[i, :, y, x] = 0 if name == "cutout" else images[partner, :, y, x]
    return new_images, new_targets


@every_strategy
@pytest.mark.parametrize("seed", range(4))
def test_batches_equal_a_naive_loop_over_the_epoch(name, params, seed):
    images, targets = epoch_of(sum(SIZES))
    draws = drawn(name, seed=seed, **params)
    found_images, found_targets = applied(name, images, targets, draws)
    expected_images, expected_targets = by_hand(name, images.numpy(), targets.numpy(), draws)
    if name == "mixup":
        np.testing.assert_allclose(found_images.numpy(), expected_images, rtol=1e-14, atol=1e-14)
    else:
        np.testing.assert_array_equal(found_images.numpy(), expected_images)
    np.testing.assert_allclose(found_targets.numpy(), expected_targets, rtol=1e-14, atol=1e-14)


def test_flip_crop_is_torchvisions_before_normalisation():
    mean, std = torch.tensor([0.49, 0.48, 0.45]), torch.tensor([0.247, 0.243, 0.261])
    raw = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    draws = drawn("flip-crop", [64], 32)
    assert 0 < draws["flip"].sum() < 64
    found, _ = moved(
        "flip-crop", tv.normalize(raw, mean, std), torch.ones(64, 2), prepared("flip-crop", draws, 32), -mean / std
    )
    for i, image in enumerate(raw):
        expected = tv.crop(tv.pad(image, [4]), 4 + int(draws["down"][i]), 4 + int(draws["right"][i]), 32, 32)
        expected = tv.hflip(expected) if draws["flip"][i] else expected
        torch.testing.assert_close(found[i], tv.normalize(expected, mean, std), rtol=0, atol=0)


def test_cutout_is_torchvisions_erase_with_zero():
    images, targets = epoch_of(16, 32)
    draws = drawn("cutout", [16], 32)
    found, _ = moved("cutout", images, targets, prepared("cutout", draws, 32), BLACK)
    for i in range(16):
        top, bottom, left, right = (int(draws[edge][i]) for edge in ("top", "bottom", "left", "right"))
        assert torch.equal(found[i], tv.erase(images[i], top, left, bottom - top, right - left, torch.zeros(())))


def test_cutmix_keeps_the_share_that_its_targets_say():
    sizes = [50, 50, 3]
    ones_and_zeros = torch.zeros(103, 1, 32, 32, dtype=torch.float64)
    own = torch.eye(103, dtype=torch.float64)
    draws = drawn("cutmix", sizes, 32, prob=1.0, scope="sample")
    for channel in range(0, 103, 10):
        ones_and_zeros[:] = 0
        ones_and_zeros[channel] = 1  # then pixels say what share of each image comes from sample `channel`
        mixed, targets = applied("cutmix", ones_and_zeros, own, draws, sizes, BLACK[:1])
        torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), targets[:, channel], rtol=0, atol=1e-7)


@every_strategy
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_dtype_and_memory_format_stay_and_inputs_are_untouched(name, params, dtype, memory):
    images, targets = (values.to(dtype) for values in epoch_of(6))
    images = images.contiguous(memory_format=memory)
    kept = images.clone(), targets.clone()
    draws = prepared(name, drawn(name, [6], **params))
    found_images, found_targets = moved(name, images, targets, draws, BLACK.float())
    assert found_images.dtype == found_targets.dtype == dtype
    assert found_images.is_contiguous(memory_format=memory)
    assert torch.equal(images, kept[0])
    assert torch.equal(targets, kept[1])
    exact, _ = moved(name, images.double(), targets.double(), draws, BLACK.float())
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(found_images.double(), exact, rtol=tolerance, atol=tolerance)


@every_strategy
def test_apply_needs_no_value_on_the_host(name, params):
    """On the meta device there are no values: reading one, or a shape that depends on one, raises."""
    images, targets = (values.to("meta") for values in epoch_of(6))
    draws = {key: values.to("meta") for key, values in prepared(name, drawn(name, [6], **params)).items()}
    found_images, found_targets = moved(name, images, targets, draws, BLACK.to("meta"))
    assert found_images.shape == images.shape
    assert found_targets.shape == targets.shape


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # in-place lerp has no batching rule
@every_strategy
def test_a_stack_of_batches_equals_each_alone(name, params):
    images, targets = epoch_of(12)
    draws = drawn(name, [6, 6], **params)
    stacked = vmap(partial(moved, name), in_dims=(0, 0, 0, None))(
        images.unflatten(0, (2, 6)),
        targets.unflatten(0, (2, 6)),
        {key: values.unflatten(0, (2, 6)) for key, values in prepared(name, draws).items()},
        BLACK,
    )
    expected = applied(name, images, targets, draws, [6, 6])
    torch.testing.assert_close(stacked[0].flatten(0, 1), expected[0], rtol=0, atol=0)
    torch.testing.assert_close(stacked[1].flatten(0, 1), expected[1], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_prob_zero_changes_nothing(name, scope):
    images, targets = epoch_of(sum(SIZES))
    found = applied(name, images, targets, drawn(name, prob=0.0, scope=scope))
    assert torch.equal(found[0], images)
    assert torch.equal(found[1], targets)


@given(
    case=st.sampled_from(BOTH),
    seed=st.integers(0, 1000),
    a=st.floats(-3, 3),
    b=st.floats(-3, 3),
)
@settings(deadline=None, max_examples=60)
def test_targets_are_mixed_linearly_and_keep_their_sum(case, seed, a, b):
    name, params = case
    images, first = epoch_of(sum(SIZES), seed=seed)
    _, second = epoch_of(sum(SIZES), seed=seed + 1)
    draws = drawn(name, seed=seed, **params)
    of_first, of_second, of_sum = (applied(name, images, t, draws)[1] for t in (first, second, a * first + b * second))
    torch.testing.assert_close(of_sum, a * of_first + b * of_second, rtol=1e-12, atol=1e-12)
    probabilities = applied(name, images, first.softmax(1), draws)[1]
    torch.testing.assert_close(probabilities.sum(1), torch.ones(sum(SIZES), dtype=torch.float64), rtol=0, atol=1e-14)
    assert (probabilities >= 0).all()


STACK = [["flip-crop", {}], ["cutmix", {"alpha": 1.0, "prob": 1.0}]]


def epoch_draws(ops, seed: int = 1, role: str = "teacher", epoch: int = 0) -> list[dict[str, np.ndarray]]:
    return draw_epoch(ops, seed, role, "augment", epoch=epoch, sizes=SIZES, side=12)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(first[key], second[key]) for key in first)


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


def test_an_ops_draws_do_not_depend_on_its_company():
    crop, mix = STACK
    alone, below, above = epoch_draws([mix])[0], epoch_draws([crop, mix])[1], epoch_draws([mix, crop])[0]
    assert same(alone, below)
    assert same(alone, above)
    assert not same(alone, epoch_draws([mix, mix])[1])
    assert same(alone, epoch_draws([mix, mix])[0])


@pytest.mark.parametrize("change", [{"seed": 2}, {"role": "student"}, {"epoch": 1}])
def test_seeds_roles_and_epochs_draw_apart_and_again_the_same(change):
    assert all(same(*pair) for pair in zip(epoch_draws(STACK), epoch_draws(STACK), strict=True))
    assert not any(same(*pair) for pair in zip(epoch_draws(STACK), epoch_draws(STACK, **change), strict=True))


def test_ops_are_applied_in_the_order_given():
    images, targets = epoch_of(6)
    sized = {"sizes": [6], "side": 12, "epoch": 0}
    for ops in (STACK, STACK[::-1]):
        draws = [tensors(draw) for draw in draw_epoch(ops, 1, "teacher", "augment", **sized)]
        found = apply_all(ops, images, targets, draws, AS_THEY_ARE)
        step = images, targets
        for (name, _), draw in zip(ops, draws, strict=True):
            step = moved(name, *step, draw)
        assert torch.equal(found[0], step[0])
        assert torch.equal(found[1], step[1])
    cutout_last = [["flip-crop", {}], ["cutout", {}]]
    both = [
        apply_all(ops, images, targets, [tensors(d) for d in draw_epoch(ops, 1, "teacher", **sized)], AS_THEY_ARE)[0]
        for ops in (cutout_last, cutout_last[::-1])
    ]
    assert not torch.equal(*both)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("packed", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 13, 13), (1, 8, 8)])
def test_strategies_on_bytes_are_those_on_normalised_images_bit_by_bit(shape, packed, dtype, layout):
    """Against normalising first, in every stack of two; the largest padding too."""
    bytes_ = torch.randint(0, 256, (12, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    bytes_ = bytes_.contiguous(memory_format=packed)
    mean, std = (
        torch.tensor([0.49, 0.48, 0.45], dtype=dtype)[: shape[0]],
        torch.tensor([0.247, 0.243, 0.261], dtype=dtype)[: shape[0]],
    )
    normalise = Normaliser(mean, std, shape, layout)
    first = normalise(bytes_)
    exact = bytes_.double() / (255 * std.double())[:, None, None] - (mean.double() / std.double())[:, None, None]
    assert (first - exact).abs().max() < 8 * torch.finfo(dtype).eps  # of values up to 2.7
    targets, before = torch.eye(12, dtype=dtype), bytes_.clone()
    names = [["flip-crop", {"padding": 0.5}], *([name, {}] for name in ("flip-crop", "cutout", "mixup", "cutmix"))]
    for ops in itertools.product(names, names):
        draws = [tensors(draw) for draw in draw_epoch(ops, 1, "teacher", epoch=0, sizes=[8, 4], side=shape[1])]
        draws = [{key: values[:8] for key, values in draw.items()} for draw in draws]
        found, mixed, *_ = apply_all(ops, bytes_[:8], targets[:8], draws, normalise)
        expected = first[:8].contiguous(memory_format=layout)
        labels = targets[:8]
        for (name, _), draw in zip(ops, draws, strict=True):
            expected, labels = moved(name, expected, labels, draw, normalise.black)
        assert torch.equal(found, expected)
        assert torch.equal(mixed, labels)
        assert found.is_contiguous(memory_format=layout)
    assert torch.equal(bytes_, before)


def test_no_ops_change_nothing():
    images, targets = epoch_of(6)
    assert epoch_draws([]) == []
    assert apply_all([], images, targets, [], AS_THEY_ARE)[:2] == (images, targets)


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("flip-crop", {"flip": 1.1}, "aug.ops.flip-crop.flip=1.1"),
        ("flip-crop", {"padding": -0.1}, "aug.ops.flip-crop.padding=-0.1"),
        ("flip-crop", {"padding": 4}, "aug.ops.flip-crop.padding=4 is out of range: a number from 0 to 0.5"),
        ("cutout", {"size": 0}, "aug.ops.cutout.size=0"),
        ("cutout", {"size": 16}, "aug.ops.cutout.size=16"),
        ("mixup", {"alpha": 0}, "aug.ops.mixup.alpha=0"),
        ("mixup", {"alpha": "1"}, "aug.ops.mixup.alpha=1"),
        ("mixup", {"alpha": True}, "aug.ops.mixup.alpha=True"),
        ("mixup", {"alpha": float("inf")}, "aug.ops.mixup.alpha=inf"),
        ("mixup", {"prob": -0.5}, "aug.ops.mixup.prob=-0.5"),
        ("mixup", {"scope": "bach"}, "did you mean batch"),
        ("cutmix", {"alpha": -1.0}, "aug.ops.cutmix.alpha=-1.0"),
        ("cutmix", {"prob": float("nan")}, "aug.ops.cutmix.prob=nan"),
        ("cutmix", {"prob": None}, "aug.ops.cutmix.prob=None"),
        ("cutmix", {"scope": "image"}, "aug.ops.cutmix.scope=image"),
        ("cutmx", {}, "did you mean cutmix"),
    ],
)
def test_bad_values_are_refused_in_one_line(name, params, complaint):
    with pytest.raises(ConfigError) as refusal:
        check_ops([["flip-crop", {}], [name, params]], side=32)
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_edges_of_the_ranges_are_allowed():
    check_ops([["flip-crop", {"flip": 0, "padding": 0.5}], ["flip-crop", {"flip": 1, "padding": 0}]], side=8)
    check_ops([["cutout", {"size": 1}], ["mixup", {"prob": 0}], ["cutmix", {"alpha": 1e-3, "prob": 1}]], side=8)


def test_yaml_lists_exactly_the_keyword_arguments():
    files = {path.stem: OmegaConf.to_container(OmegaConf.load(path)) for path in (conf_dir() / "aug").glob("*.yaml")}
    assert files.pop("baseline") == {"ops": {}}
    assert set(files) == set(AUGMENTATIONS)
    for name, values in files.items():
        parameters = inspect.signature(AUGMENTATIONS[name].draw).parameters.values()
        assert values == {
            "ops": {name: {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}}
        }
