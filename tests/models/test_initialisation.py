"""Initial weights have the variances of the formulas."""

import pytest
import torch
from torch import nn

from augdistill.models.initialisation import he_normal, small_head
from built import in_double


def test_convolutions_have_the_variance_of_two_over_the_fan_out_and_no_biases():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(64, 96, 3), nn.Conv2d(64, 128, 3, groups=4), nn.Linear(5, 5))
    before = layers[2].weight.clone()
    he_normal(layers)
    for layer, fan_out in ((layers[0], 96 * 9), (layers[1], 128 * 9)):  # of all channels, as the field's code counts
        assert layer.weight.square().mean().item() == pytest.approx(2 / fan_out, rel=0.05)
        assert abs(layer.weight.mean().item()) < 0.1 * (2 / fan_out) ** 0.5
        assert not layer.bias.any()
    assert torch.equal(layers[2].weight, before)


def test_a_small_head_has_a_hundredth():
    torch.manual_seed(0)
    head = nn.Linear(512, 100)
    small_head(head)
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not head.bias.any()


@pytest.mark.parametrize("name", ["resnet20", "wrn-16-2", "vgg8", "mobilenet-v2"])
def test_the_zoos_models_begin_with_it(name):
    model = in_double(name, (3, 32, 32))
    layer = max(
        (layer for layer in model.modules() if isinstance(layer, nn.Conv2d)), key=lambda one: one.weight.numel()
    )
    fan_out = layer.out_channels * layer.kernel_size[0] ** 2
    assert layer.weight.square().mean().item() == pytest.approx(2 / fan_out, rel=0.1)
    if name in ("vgg8", "mobilenet-v2"):
        assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.1)
