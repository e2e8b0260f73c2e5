"""The contract of strategies: pure functions of chance that was drawn, linear in what they say of labels."""

import numpy as np
import pytest
import torch
from torch import Tensor

from augdistill.augment import AUGMENTATIONS
from augdistill.augment.shared import Draws, Samples
from augdistill.config import parameters
from augdistill.conformance import entries, normal

SIZES, SIDE, CLASSES = [6, 6, 1], 12, 7
BATCH = SIZES[0]
every_strategy = pytest.mark.parametrize("name", entries("AUGMENTATIONS"))


def drawn(name: str, seed: int = 0) -> Draws:
    """Return an epoch's draws of a strategy with its defaults."""
    return AUGMENTATIONS[name].draw(np.random.default_rng(seed), SIZES, SIDE, **parameters("aug", name))


def prepared(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Return the first batch's draws as `apply` gets them."""
    draws = AUGMENTATIONS[name].prepare(drawn(name, seed), SIDE)
    return {key: torch.from_numpy(values[:BATCH]) for key, values in draws.items()}


def batch(dtype: torch.dtype = torch.float64, seed: int = 0) -> Samples:
    """Return a batch of colour images with targets and what a teacher says."""
    teacher = normal(BATCH, CLASSES, seed=seed + 2).softmax(1)
    targets = normal(BATCH, CLASSES, seed=seed + 1).softmax(1)
    images, black = normal(BATCH, 3, SIDE, SIDE, seed=seed), torch.tensor([-1.9, -1.8, -1.7], dtype=torch.float64)
    return Samples(images.to(dtype), targets.to(dtype), teacher.to(dtype), black.to(dtype))


def applied(name: str, samples: Samples, draws: dict[str, Tensor] | None = None) -> Samples:
    """Return a batch after a strategy with its defaults; one that takes bytes alone gets the images as bytes."""
    entry, params = AUGMENTATIONS[name], parameters("aug", name)
    if entry.on_bytes and not samples.is_bytes:
        samples = samples._replace(images=as_pixels(samples.images), black=torch.zeros_like(samples.black))
    wanted = {key: params[key] for key in entry.wanted}
    return entry.apply(samples, prepared(name) if draws is None else draws, **wanted)


def as_pixels(images: Tensor) -> Tensor:
    """Return normal images as bytes, in their memory format, which the meta device has, too."""
    return (images.abs() * 80).clamp(max=255).to(torch.uint8)


@every_strategy
def test_the_same_chance_draws_the_same_and_other_chance_other(name: str) -> None:
    first, again, others = drawn(name), drawn(name), [drawn(name, seed) for seed in range(1, 6)]
    if AUGMENTATIONS[name].labels_only:
        assert not first, f"{name} has no chance in it, as it says"
        return
    assert first
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for other in others for key in first)


@every_strategy
def test_draws_are_arrays_over_the_epochs_samples(name: str) -> None:
    for draws in (drawn(name), AUGMENTATIONS[name].prepare(drawn(name), SIDE)):
        for key, values in draws.items():
            assert isinstance(values, np.ndarray), key
            assert len(values) == sum(SIZES), f"the first axis of {key} is not the epoch's samples"
            assert values.dtype.kind in "bif", key


@every_strategy
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_shapes_dtypes_and_memory_format_stay(name: str, dtype: torch.dtype, memory: torch.memory_format) -> None:
    samples = batch(dtype)
    samples = samples._replace(images=samples.images.contiguous(memory_format=memory))
    found = applied(name, samples)
    assert found.images.is_contiguous(memory_format=memory)
    if AUGMENTATIONS[name].on_bytes:
        samples = samples._replace(images=as_pixels(samples.images))
    for before, after in zip(samples, found, strict=True):
        assert after is not None
        assert before is not None
        assert (before.shape, before.dtype) == (after.shape, after.dtype)


@every_strategy
def test_bytes_stay_bytes_where_a_strategy_moves_pixels(name: str) -> None:
    if not AUGMENTATIONS[name].moves_pixels:
        pytest.skip(f"{name} makes values of its own")
    pixels = as_pixels(batch().images)
    zeros = torch.zeros(3, dtype=torch.uint8)
    found = applied(name, batch()._replace(images=pixels, black=zeros)).images
    assert found.dtype == torch.uint8
    floats = applied(name, batch()._replace(images=pixels.double(), black=zeros.double())).images
    assert torch.equal(found.double(), floats)


@every_strategy
def test_inputs_are_left_alone_and_the_result_is_the_same_again(name: str) -> None:
    samples, draws = batch(), prepared(name)
    copies = [value.clone() for value in (*samples, *draws.values()) if value is not None]
    first, again = applied(name, samples, draws), applied(name, samples, draws)
    now = [value for value in (*samples, *draws.values()) if value is not None]
    assert all(torch.equal(*pair) for pair in zip(copies, now, strict=True))
    for one, other in zip(first, again, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


@every_strategy
def test_no_value_is_asked_of_the_device(name: str) -> None:
    """On the meta device there are no values: reading one, or a shape that depends on one, raises."""
    here = batch()
    assert here.teacher is not None
    samples = Samples(*(value.to("meta") for value in (here.images, here.targets, here.teacher, here.black)))
    found = applied(name, samples, {key: values.to("meta") for key, values in prepared(name).items()})
    assert found.images.shape == samples.images.shape


@every_strategy
@pytest.mark.parametrize("seed", range(3))
def test_targets_are_mixed_linearly_and_a_teachers_words_as_they_are(name: str, seed: int) -> None:
    samples, draws = batch(seed=10 * seed), prepared(name, seed)
    assert samples.teacher is not None

    def of(targets: Tensor) -> Tensor:
        found = applied(name, samples._replace(targets=targets, teacher=targets), draws)
        assert found.teacher is not None
        labels_only = AUGMENTATIONS[name].labels_only
        assert torch.equal(found.teacher, targets if labels_only else found.targets)
        assert not labels_only or torch.equal(found.images, samples.images)
        return found.targets

    first, second = of(samples.targets), of(samples.teacher)
    torch.testing.assert_close(
        of(2 * samples.targets - 3 * samples.teacher), 2 * first - 3 * second, rtol=0, atol=1e-12
    )
    torch.testing.assert_close(first.sum(1), torch.ones(BATCH, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (first >= 0).all()


@every_strategy
def test_images_do_not_depend_on_what_is_said_of_them(name: str) -> None:
    samples = batch()
    without = applied(name, samples._replace(teacher=None))
    other = applied(name, samples._replace(targets=samples.targets.flip(0)))
    assert without.teacher is None
    assert torch.equal(without.images, other.images)
    assert torch.equal(without.targets, applied(name, samples).targets)
