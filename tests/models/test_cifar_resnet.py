"""The ResNets of 6n + 2 layers are made of torchvision's blocks."""

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock

from built import images, in_double

SLIM, WIDE = (16, 16, 32, 64), (32, 64, 128, 256)  # Tian et al. 2020: stem, three stages


def reference(depth: int, channels: tuple[int, ...]) -> nn.Module:
    """Return the network from torchvision's blocks."""
    net = torchvision.models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)
    stem = channels[0]
    net.conv1, net.bn1, net.inplanes = nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), stem
    for stage, wide in enumerate(channels[1:]):
        layer = net._make_layer(BasicBlock, wide, (depth - 2) // 6, stride=1 if stage == 0 else 2)
        setattr(net, f"layer{stage + 1}", layer)
    net.maxpool, net.layer4, net.fc = nn.Identity(), nn.Identity(), nn.Linear(channels[-1], 10)
    return net


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("name", "depth", "channels"), [("resnet8", 8, SLIM), ("resnet20", 20, SLIM), ("resnet8x4", 8, WIDE)]
)
def test_they_are_torchvisions_blocks_in_three_stages(name, depth, channels, training):
    ours = in_double(name, (3, 16, 16)).train(training)
    theirs = reference(depth, channels).double().train(training)
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(3, 3, 16, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "layers"), [("resnet14", 14), ("resnet32", 32), ("resnet44", 44), ("resnet56", 56), ("resnet110", 110),
                         ("resnet32x4", 32)]
)  # fmt: skip
def test_a_name_tells_the_layers(name, layers):
    convolutions = [layer for layer in in_double(name, (3, 8, 8)).modules() if isinstance(layer, nn.Conv2d)]
    projections = [layer for layer in convolutions if layer.kernel_size == (1, 1)]
    assert len(convolutions) - len(projections) + 1 == layers  # and the linear one
