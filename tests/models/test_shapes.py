"""An image that a model cannot take is refused, and the smallest that it can is taken."""

import pytest
import torch
from torch import nn

from augdistill.base.errors import ModelError
from augdistill.models import build
from augdistill.models.shapes import flattened_size, output_size


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("lenet", 16), ("alexnet", 6), ("alexnet-small", 25), ("resnet18", 8), ("resnet9", 9), ("airbench", 9)],
)
def test_an_image_too_small_is_refused_in_one_line(name, smallest):
    assert build(name, (3, smallest, smallest), 10, seed=0).eval()(torch.zeros(1, 3, smallest, smallest))
    for shape in [(3, smallest - 1, smallest - 1), (3, smallest, smallest - 1), (1, smallest - 1, 64)]:
        with pytest.raises(ModelError) as refusal:
            build(name, shape, 10, seed=0)
        message = str(refusal.value)
        assert f"{name} needs images of at least {smallest} x {smallest} pixels" in message
        assert f"got {shape[1]} x {shape[2]}" in message
        enlarged = int(message.rsplit("=", 1)[1])
        assert enlarged >= smallest
        assert "\n" not in message


def test_what_is_left_of_an_image_is_counted():
    features = nn.Sequential(nn.Conv2d(3, 6, 5), nn.MaxPool2d(2))  # of 16 x 20: 12 x 16, then 6 x 8
    assert flattened_size("x", features, (3, 16, 20)) == output_size(features, (3, 16, 20)) == 6 * 6 * 8
    assert output_size(features, (3, 5, 20)) == 0
    with pytest.raises(ModelError, match=r"x needs images of at least 6 x 6 pixels, got 5 x 20: .*dataset\.size=8"):
        flattened_size("x", features, (3, 5, 20))
