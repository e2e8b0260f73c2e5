"""ResNet18 is torchvision's with a small stem."""

import pytest
import torch
import torchvision
from torch import nn

from built import images, in_double


@pytest.mark.parametrize("training", [False, True])
def test_resnet18_is_torchvisions_with_a_small_stem(training):
    ours = in_double("resnet18", (3, 16, 16)).train(training)
    theirs = torchvision.models.resnet18(num_classes=10).double().train(training)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False).double(), nn.Identity()
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(3, 3, 16, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-10, atol=1e-10)
