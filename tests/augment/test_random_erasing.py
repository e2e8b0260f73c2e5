"""Random erasing: rectangles as torchvision draws them, and what they cover."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import RandomErasing

from augdistill.augment.random_erasing import draw
from augdistill.base.errors import ConfigError
from augmented import BLACK, applied, drawn, epoch_of


def test_the_rectangle_is_0_and_all_else_stays() -> None:
    images, targets = epoch_of(13)
    draws = drawn("random-erasing", prob=1.0)
    found, same = applied("random-erasing", images, targets, draws, black=BLACK)
    assert torch.equal(same, targets)
    for row in range(13):
        expected = images[row].clone()
        rectangle = (slice(draws["top"][row], draws["bottom"][row]), slice(draws["left"][row], draws["right"][row]))
        expected[:, rectangle[0], rectangle[1]] = 0
        assert torch.equal(found[row], expected)


def test_heights_and_widths_are_distributed_as_torchvisions() -> None:
    count, side = 1500, 32
    ours = draw(np.random.default_rng(0), [count], side, prob=1.0, aspect=0.3)
    transform, image = RandomErasing(p=1.0, ratio=(0.3, 1 / 0.3)), torch.zeros(1, side, side)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = [transform.make_params([image]) for _ in range(count)]
    for name, edges in (("h", ("top", "bottom")), ("w", ("left", "right"))):
        own = (ours[edges[1]] - ours[edges[0]]).astype(float)
        other = np.array([float(drawn_[name]) for drawn_ in theirs])
        assert abs(own.mean() - other.mean()) < 4 * np.sqrt((own.var() + other.var()) / count)
        assert own.std() == pytest.approx(other.std(), rel=0.1)


def test_so_many_images_lose_one_and_rectangles_lie_inside() -> None:
    draws = draw(np.random.default_rng(1), [4000], 32, prob=0.25)
    erased = draws["bottom"] > draws["top"]
    assert erased.mean() == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 4000) ** 0.5)
    assert min(draws["top"].min(), draws["left"].min()) >= 0
    assert max(draws["bottom"].max(), draws["right"].max()) <= 32


@pytest.mark.parametrize("values", [{"smallest": 0.5}, {"aspect": 0.0}, {"largest": 2.0}, {"prob": -1.0}])
def test_values_that_cannot_be_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"^random-erasing\.{next(iter(values))}="):
        draw(np.random.default_rng(0), [1], 8, **values)
