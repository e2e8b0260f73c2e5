"""ResNet18, 34 and 50 are torchvision's with a small stem."""

import pytest
import torch
import torchvision
from torch import nn

from built import images, in_double


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_they_are_torchvisions_with_a_small_stem(name, training):
    width = 64 if name == "resnet18" else 8  # which torchvision has for bottlenecks alone
    if name == "resnet18":
        theirs = torchvision.models.resnet18(num_classes=10)
        theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    else:
        theirs = narrow(name, width)
    theirs.maxpool = nn.Identity()
    theirs = theirs.double().train(training)
    ours = in_double(name, (3, 16, 16), width=width).train(training)
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(3, 3, 16, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-10, atol=1e-10)


def narrow(name: str, width: int) -> nn.Module:
    """Return torchvision's model with fewer channels, from its own blocks."""
    kind = torchvision.models.resnet.Bottleneck if name == "resnet50" else torchvision.models.resnet.BasicBlock
    net = torchvision.models.ResNet(kind, [1, 1, 1, 1], num_classes=10)
    net.conv1, net.bn1, net.inplanes = nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), width
    for stage, count in enumerate([3, 4, 6, 3]):
        layer = net._make_layer(kind, width * 2**stage, count, stride=1 if stage == 0 else 2)
        setattr(net, f"layer{stage + 1}", layer)
    net.fc = nn.Linear(8 * width * kind.expansion, 10)
    return net
