"""Random resized crop against torchvision's, image by image, and the crops it draws."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as theirs

from augdistill.augment.random_resized_crop import draw
from augdistill.base.errors import ConfigError
from augmented import applied, drawn, epoch_of


@pytest.mark.parametrize("smallest", [0.02, 0.5, 1.0])
def test_each_crop_is_enlarged_as_torchvision_enlarges_it(smallest: float) -> None:
    images, targets = epoch_of(13)
    draws = drawn("random-resized-crop", smallest=smallest)
    found, same = applied("random-resized-crop", images, targets, draws)
    assert torch.equal(same, targets)
    for row, (image, made) in enumerate(zip(images, found, strict=True)):
        top, bottom, left, right = (int(draws[edge][row]) for edge in ("top", "bottom", "left", "right"))
        expected = theirs.resized_crop(image, top, left, bottom - top, right - left, [12, 12], antialias=False)
        expected = expected.flip(2) if draws["flip"][row] else expected
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-10)
    if smallest == 1.0:
        assert torch.equal(found[~draws["flip"]].round(decimals=9), images[~draws["flip"]].round(decimals=9))


def test_heights_and_widths_are_distributed_as_torchvisions() -> None:
    count, side = 1500, 32
    ours = draw(np.random.default_rng(0), [count], side)
    transform, image = v2.RandomResizedCrop(side), torch.zeros(1, side, side)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = [transform.make_params([image]) for _ in range(count)]
    for name, edges in (("height", ("top", "bottom")), ("width", ("left", "right"))):
        own = (ours[edges[1]] - ours[edges[0]]).astype(float)
        other = np.array([float(one[name]) for one in made])
        assert abs(own.mean() - other.mean()) < 4 * np.sqrt((own.var() + other.var()) / count)
        assert own.std() == pytest.approx(other.std(), rel=0.1)
    assert min(ours["top"].min(), ours["left"].min()) >= 0
    assert max(ours["bottom"].max(), ours["right"].max()) <= side
    assert ours["flip"].mean() == pytest.approx(0.5, abs=4 * 0.5 / count**0.5)


@pytest.mark.parametrize("values", [{"smallest": 0.0}, {"aspect": 0.0}, {"largest": 2.0}, {"flip": -1.0}])
def test_values_that_cannot_be_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"^random-resized-crop\.{next(iter(values))}="):
        draw(np.random.default_rng(0), [1], 8, **values)
