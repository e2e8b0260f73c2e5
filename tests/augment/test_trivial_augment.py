"""TrivialAugment: one operation each, of any level."""

import numpy as np
import pytest

from augdistill.augment.rand_augment import NAMES
from augdistill.augment.trivial_augment import draw, levels
from augdistill.base.errors import ConfigError
from augmented import many


def test_operations_and_levels_are_uniform_and_signs_even() -> None:
    draws = many("trivial-augment", sizes=[128] * 200)
    operation, level = draws["operation"][:, 0], draws["level"][:, 0]
    assert np.abs(np.bincount(operation) / len(operation) - 1 / 14).max() < 0.003
    for place, name in enumerate(NAMES):
        found, known = np.abs(level[operation == place]), np.unique(levels(31)[name])
        assert np.isin(found.round(9), known.round(9)).all()
        if len(known) == 31:
            counts = np.array([np.isclose(found, value).sum() for value in known])
            assert np.abs(counts - len(found) / 31).max() < 5 * (len(found) / 31) ** 0.5
    brightness = level[operation == NAMES.index("brightness")]
    assert (brightness < 0).mean() == pytest.approx(0.5 * 30 / 31, abs=4 * 0.5 / len(brightness) ** 0.5)


@pytest.mark.parametrize("bins", [1, 2.0, True])
def test_other_numbers_of_levels_are_refused(bins: float) -> None:
    with pytest.raises(ConfigError, match=r"^trivial-augment\.bins="):
        draw(np.random.default_rng(0), [1], 8, bins=bins)
