"""AugMix against a loop over single images, their chains and weights, and how these are distributed."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from augdistill.augment.augmix import draw, levels
from augdistill.augment.operations import COLOURS, OPERATIONS, operate, prepare_operations
from augdistill.base.errors import ConfigError
from augmented import applied, as_pixels, epoch_of, many


@pytest.mark.parametrize("size", [1, 6])
def test_images_are_mixed_with_their_chains_as_a_loop_does_it(size: int) -> None:
    """A chain's place among all of its batch says how long it is, and which drawn operations are its own."""
    images, targets = epoch_of(size)
    draws = draw(np.random.default_rng(3), [size], 12, severity=10)
    found, same = applied("augmix", images, targets, draws, [size])
    assert torch.equal(same, targets)
    for row, image in enumerate(as_pixels(images)):
        mixed = draws["weights"][row, 0] * image.double()
        for chain in range(3):
            place, made, first = draws["place"][row, chain], image[None], 0
            for chains in (3, 2, 1):
                if place >= chains * size:
                    break
                at = (place // chains, first + place % chains)
                step = {"operation": np.array([draws["operation"][at]]), "level": np.array([draws["level"][at]])}
                ready = prepare_operations({**step, "slot": step["operation"]}, OPERATIONS, 12)
                made = operate(made, OPERATIONS, **{key: torch.from_numpy(value) for key, value in ready.items()})
                first += chains
            mixed = mixed + draws["weights"][row, 1 + chain] * made[0].double()
        assert ((mixed - found[row]) > -1e-3).all(), "whole numbers below"
        assert ((mixed - found[row]) < 1 + 1e-3).all()


def test_lengths_weights_and_levels_are_distributed_as_the_papers() -> None:
    draws = many("augmix", sizes=[128] * 100)
    length = 3 - draws["place"] // 128
    assert np.array_equal(np.bincount(length.flatten())[1:], [12800] * 3)
    assert np.corrcoef(length.T)[0, 1] == pytest.approx(-1 / 383, abs=4 / 12800**0.5)
    own, rest = draws["weights"][:, 0], draws["weights"][:, 1:]
    np.testing.assert_allclose(draws["weights"].sum(axis=1), 1, atol=1e-6)
    assert own.mean() == pytest.approx(0.5, abs=4 / 12**0.5 / 12800**0.5)
    assert own.std() == pytest.approx(1 / 12**0.5, rel=0.05)
    assert (rest / rest.sum(axis=1, keepdims=True)).std() == pytest.approx(1 / 18**0.5, rel=0.05)
    assert set(np.unique(draws["operation"])) == set(range(9))
    assert np.abs(draws["level"][draws["operation"] == OPERATIONS.index("rotate")]).max() == pytest.approx(30 * 2 / 9)


def test_levels_are_torchvisions() -> None:
    theirs = v2.AugMix._AUGMENTATION_SPACE
    for name, values in levels(32, colours=True).items():
        key = {"shear-x": "ShearX", "shear-y": "ShearY", "translate-x": "TranslateX", "translate-y": "TranslateY"}
        made = theirs[key.get(name, "AutoContrast" if name == "autocontrast" else name.capitalize())][0](10, 32, 32)
        scale = 255 if name == "solarize" else 1
        np.testing.assert_allclose(values, 0 if made is None else scale * made.numpy(), atol=1e-5 * scale)
    assert list(levels(32, colours=False)) == [*OPERATIONS]
    assert list(levels(32, colours=True)) == [*OPERATIONS, *COLOURS]


@pytest.mark.parametrize("values", [{"severity": 0}, {"severity": 11}, {"alpha": 0.0}, {"colours": 1}])
def test_values_that_cannot_be_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"^augmix\.{next(iter(values))}="):
        draw(np.random.default_rng(0), [1], 8, **values)
