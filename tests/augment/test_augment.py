"""The contracts of every strategy and of stacks, against naive float64 loops; each has its own file beside this."""

import inspect
import itertools
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch.func import vmap

from augdistill.augment import AUGMENTATIONS, apply_all, check_ops, draw_epoch
from augdistill.augment.normaliser import Normaliser
from augdistill.base.errors import ConfigError
from augdistill.config import conf_dir
from augmented import BLACK, SAMPLED, SIZES, applied, drawn, epoch_of, moved, prepared, tensors

AS_THEY_ARE = Normaliser(
    -BLACK, torch.ones_like(BLACK), (3, 12, 12), torch.contiguous_format
)  # of which BLACK is black
BOTH = [(name, {}) for name in AUGMENTATIONS] + [
    (name, params) for name in ("mixup", "cutmix") for params in (SAMPLED, {**SAMPLED, "labels": "hard"})
]
every_strategy = pytest.mark.parametrize(("name", "params"), BOTH, ids=lambda value: str(value or ""))
LOOPED = [(name, params) for name, params in BOTH if name in ("flip-crop", "cutout", "mixup", "cutmix")]


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


@pytest.mark.parametrize(("name", "params"), LOOPED, ids=lambda value: str(value or ""))
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


@every_strategy
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_dtype_and_memory_format_stay_and_inputs_are_untouched(name, params, dtype, memory):
    images, targets = (values.to(dtype) for values in epoch_of(6))
    images = images.contiguous(memory_format=memory)
    kept = images.clone(), targets.clone()
    draws = prepared(name, drawn(name, [6], **params))
    found_images, found_targets = moved(name, images, targets, draws, BLACK.float())
    assert found_targets.dtype == dtype
    assert found_images.dtype == (torch.uint8 if AUGMENTATIONS[name].on_bytes else dtype)
    assert found_images.is_contiguous(memory_format=memory)
    assert torch.equal(images, kept[0])
    assert torch.equal(targets, kept[1])
    if AUGMENTATIONS[name].on_bytes:
        return
    exact, _ = moved(name, images.double(), targets.double(), draws, BLACK.float())
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 1e-2}[dtype]
    tolerance *= 10 if name in ("rotation", "random-resized-crop") and dtype == torch.float32 else 1  # it interpolates
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


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if AUGMENTATIONS[name].on_bytes])
def test_a_strategy_on_bytes_stands_before_those_that_need_floats(name):
    bytes_ = torch.randint(0, 256, (6, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for ops in ([[name, {}], ["mixup", {}]], [["flip-crop", {}], [name, {}], ["cutout", {}]]):
        check_ops(ops, side=12)
        draws = [tensors(draw) for draw in draw_epoch(ops, 1, "teacher", epoch=0, sizes=[6], side=12)]
        found = apply_all(ops, bytes_, torch.eye(6, dtype=torch.float64), draws, AS_THEY_ARE).images
        assert found.dtype == torch.float64
    with pytest.raises(ConfigError) as refusal:
        check_ops([["mixup", {}], [name, {}]], side=12)
    assert str(refusal.value) == (
        f"aug.ops: {name} is defined on bytes, which mixup before it makes floats: put it first, aug=[{name},mixup]"
    )


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
