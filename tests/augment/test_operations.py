"""The operations of AutoAugment's family against torchvision's kernels, and how a batch is shared out."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from augdistill.augment.operations import MOVING, SIGNED, draw_operations, operate, prepare_operations, spaced

THEIRS = {"identity": "Identity", "shear-x": "ShearX", "shear-y": "ShearY", "translate-x": "TranslateX"}
THEIRS |= {"translate-y": "TranslateY", "autocontrast": "AutoContrast"}
NAMES = [*MOVING, *(name for name in spaced(2, 0, 0, 0, 0, (8, 4)) if name not in MOVING)]
WIDE = v2.TrivialAugmentWide()
SIDE = 32


def pictures(count: int, channels: int = 3, side: int = SIDE) -> Tensor:
    """Return bytes that are smooth, noisy, dark, grey and flat."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(count, channels, side, side, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    kinds = [noise, smooth, 0.3 * smooth, smooth.mean(1, keepdim=True).expand_as(noise), 0 * noise + 0.5]
    chosen = torch.stack(kinds)[torch.arange(count) % len(kinds), torch.arange(count)]
    return (255 * chosen).to(torch.uint8)


def expected(image: Tensor, name: str, level: float) -> Tensor:
    """Return what torchvision makes of one image."""
    theirs = THEIRS.get(name, name.capitalize())
    strength = level / 255 if name == "solarize" else level
    return WIDE._apply_image_or_video_transform(
        image, theirs, strength, InterpolationMode.NEAREST, {torch.Tensor: None}
    )


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_torchvisions_at_every_level(name: str, memory: torch.memory_format, channels: int) -> None:
    """Nearest pixels may be other ones where two are equally near, values one off where a whole number is."""
    levels = {name: spaced(31, 0.99, 32.0, 135.0, 0.99, (8, 2))[name]}
    signs = [1, -1] if name in SIGNED else [1]
    signed = np.array([sign * level for level, sign in itertools.product(levels[name], signs)])
    images = pictures(len(signed), channels).contiguous(memory_format=memory)
    draws = {"operation": np.zeros(len(signed), int), "slot": np.arange(len(signed)), "level": signed}
    found = operate(
        images, [name], **{k: torch.from_numpy(v) for k, v in prepare_operations(draws, [name], SIDE).items()}
    )
    wanted = torch.stack([expected(image, name, level) for image, level in zip(images, signed.tolist(), strict=True)])
    differs = found.int() != wanted.int()
    assert differs.float().mean() < 0.05
    if name not in MOVING:
        assert (found.int() - wanted.int()).abs().max() <= 1
    assert found.is_contiguous(memory_format=memory)


@pytest.mark.parametrize("size", [1, 5, 14, 30])
def test_each_image_gets_its_operation_at_its_level_wherever_it_lies(size: int) -> None:
    levels = {name: spaced(31, 0.99, 32.0, 135.0, 0.99, (8, 2))[name] for name in NAMES}
    draws = draw_operations(np.random.default_rng(1), [size], levels, np.full(size, 20))
    images = pictures(size)
    prepared = {k: torch.from_numpy(v) for k, v in prepare_operations(draws, NAMES, SIDE).items()}
    found = operate(images, NAMES, **prepared)
    for image, operation, level, made in zip(images, draws["operation"], draws["level"], found, strict=True):
        differs = made.int() != expected(image, NAMES[operation], float(level)).int()
        assert differs.float().mean() < 0.1


def test_a_batch_has_each_operation_equally_often_and_an_image_each_with_the_same_probability() -> None:
    levels, sizes = spaced(31, 1, 1, 1, 1, (8, 2)), [30] * 700 + [3]
    draws = draw_operations(np.random.default_rng(0), sizes, levels, np.arange(sum(sizes)) % 31)
    counts = np.stack([np.bincount(part, minlength=14) for part in draws["operation"][:-3].reshape(700, 30)])
    assert set(counts.flatten()) == {2, 3}
    spread = 2 / 14 * 12 / 14  # of a count, that of the two which are there once more
    assert np.abs(counts.mean(axis=0) - 30 / 14).max() < 4 * (spread / 700) ** 0.5
    first = np.bincount(draws["operation"][:-3].reshape(700, 30)[:, 0], minlength=14)
    assert np.abs(first - 50).max() < 4 * 50**0.5
    slots = draws["slot"][:-3].reshape(700, 30)
    assert all(len(set(row)) == 30 and row.max() < 14 * 3 for row in slots.tolist() for row in [np.array(row)])
    assert np.array_equal(slots // 3, draws["operation"][:-3].reshape(700, 30))
    assert len(set(draws["operation"][-3:].tolist())) == 3


def test_levels_are_torchvisions() -> None:
    wide = spaced(31, 0.99, 32.0, 135.0, 0.99, (8, 2))
    for name in NAMES:
        make, signed = WIDE._AUGMENTATION_SPACE[THEIRS.get(name, name.capitalize())]
        assert signed == (name in SIGNED)
        theirs = make(31, SIDE, SIDE)
        scale = 255 if name == "solarize" else 1
        np.testing.assert_allclose(wide[name], 0 if theirs is None else scale * theirs.numpy(), atol=1e-5 * scale)
