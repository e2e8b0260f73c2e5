"""MobileNetV2 is torchvision's with the field's strides, ReLU for ReLU6, and a first convolution in every block."""

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import Conv2dNormActivation

from built import images, in_double

SETTING = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


def reference() -> nn.Module:
    """Return torchvision's network with what the field changes of it."""
    net = torchvision.models.MobileNetV2(10, 0.5, [list(row) for row in SETTING], round_nearest=1, dropout=0.0)
    net.features[1] = nn.Sequential(Conv2dNormActivation(16, 16, 1), net.features[1])
    for path, layer in list(net.named_modules()):
        if isinstance(layer, nn.ReLU6):
            net.set_submodule(path, nn.ReLU())
    return net


@pytest.mark.parametrize("training", [False, True])
def test_it_is_torchvisions_as_the_field_has_it(training):
    ours, theirs = in_double("mobilenet-v2", (3, 32, 32)).train(training), reference().double().train(training)
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(4, 3, 32, 32)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-9, atol=1e-9)
