"""VGGs are torchvision's layers with the field's pools."""

import pytest
import torch
from torch import nn
from torchvision.models.vgg import make_layers

from augdistill.models import build
from built import images, in_double


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("vgg8", [[64], [128], [256], [512, 512]]),
        ("vgg13", [[64] * 2, [128] * 2, [256] * 2, [512] * 4]),
    ],
)
def test_they_are_torchvisions_layers_pooled_three_times(name, stages, training):
    layout = [layer for stage in stages for layer in (*stage, "M")][:-1]
    theirs = nn.Sequential(
        make_layers(layout, batch_norm=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)
    )
    theirs = theirs.double().train(training)
    ours = in_double(name, (3, 16, 16)).train(training)
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(3, 3, 16, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["vgg11", "vgg16", "vgg19"])
def test_a_name_tells_the_layers(name):
    with torch.device("meta"):
        model = build(name, (3, 32, 32), 10, seed=0)
    layers = sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules())
    assert layers == int(name[3:]) - 2  # two of the three linear layers are left out


def test_images_of_64_pixels_are_pooled_once_more():
    for side, pools in ((32, 3), (63, 3), (64, 4)):
        with torch.device("meta"):
            features = build("vgg8", (3, side, side), 10, seed=0).features
        assert sum(isinstance(layer, nn.MaxPool2d) for layer in features) == pools
