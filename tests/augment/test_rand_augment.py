"""RandAugment: operations one after the other, of the levels that torchvision has."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from augdistill.augment.operations import operate
from augdistill.augment.rand_augment import NAMES, draw, levels
from augdistill.base.errors import ConfigError
from augmented import applied, as_pixels, epoch_of, prepared


def test_operations_follow_each_other() -> None:
    images, targets = epoch_of(13)
    draws = draw(np.random.default_rng(0), [13], 12, operations=3)
    found, same = applied("rand-augment", images, targets, draws, [13])
    assert torch.equal(same, targets)
    expected, ready = as_pixels(images), prepared("rand-augment", draws)
    for step in range(3):
        expected = operate(expected, NAMES, *(ready[key][:, step] for key in ("slot", "level", "matrix")))
    assert torch.equal(found, expected)
    assert len({tuple(row) for row in draws["operation"].tolist()}) > 6, "each step draws anew"


def test_levels_are_torchvisions_at_the_magnitude() -> None:
    ours, theirs = levels(32), v2.RandAugment()._AUGMENTATION_SPACE
    for name, values in ours.items():
        key = {"shear-x": "ShearX", "shear-y": "ShearY", "translate-x": "TranslateX", "translate-y": "TranslateY"}
        made = theirs[key.get(name, "AutoContrast" if name == "autocontrast" else name.capitalize())][0](31, 32, 32)
        scale = 255 if name == "solarize" else 1
        np.testing.assert_allclose(values, 0 if made is None else scale * made.numpy(), atol=1e-5 * scale)
    draws = draw(np.random.default_rng(0), [140], 32, operations=1, magnitude=9)
    at = {name: values[9] for name, values in ours.items()}
    for operation, level in zip(draws["operation"][:, 0], draws["level"][:, 0], strict=True):
        assert abs(level) == pytest.approx(at[NAMES[operation]])
    assert (draws["level"] < 0).any()


@pytest.mark.parametrize("values", [{"operations": 0}, {"operations": 2.5}, {"magnitude": 31}, {"magnitude": True}])
def test_values_that_cannot_be_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"^rand-augment\.{next(iter(values))}="):
        draw(np.random.default_rng(0), [1], 8, **values)
