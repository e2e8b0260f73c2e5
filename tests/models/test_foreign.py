"""Models from elsewhere see what they were trained on: their own normalisation, side and colours."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from augdistill import models
from augdistill.base.errors import ConfigError, ModelError
from augdistill.models import foreign


def test_resnet18_of_torchvision_says_what_it_says_alone():
    import torchvision

    shape, classes = (1, 16, 16), 4
    core = foreign.core_of("torchvision/resnet18", shape, classes, {})
    alone = torchvision.models.resnet18(weights=None, num_classes=classes)
    alone.load_state_dict(core.state_dict())
    model = foreign.foreign("torchvision/resnet18", core, shape, classes, 24)
    own, given = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), ([0.3], [0.4])
    model.normalise_by(own, given)
    pixels = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values)[:, None, None] for values in own)
    larger = F.interpolate((pixels.expand(-1, 3, -1, -1) - mean) / std, (24, 24), mode="bilinear")
    with torch.no_grad():
        logits, embedding = model((pixels - 0.3) / 0.4)
        expected = alone.eval()(larger)
    assert torch.allclose(logits, expected, atol=1e-5)
    assert torch.allclose(alone.fc(embedding), logits, atol=1e-5)
    with torch.device("meta"):
        again = foreign.build("torchvision/resnet18", shape, classes, parameters={}, size=24)
    assert list(again.state_dict()) == list(model.state_dict())


def test_a_model_of_ours_stays_itself():
    core = foreign.core_of("lenet", (3, 32, 32), 5, {})
    model = foreign.build("lenet", (3, 32, 32), 5, parameters={}, size=None)
    model.core.load_state_dict(core.state_dict())
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for ours, theirs in zip(model(images), models.build("lenet", (3, 32, 32), 5, seed=0)(images), strict=True):
            assert torch.equal(ours, theirs)


def test_a_net_without_a_linear_end_has_its_logits_for_an_embedding():
    split = foreign.Split(nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1)), 4)
    logits, embedding = split(torch.ones(2, 3, 5, 5))
    assert torch.equal(logits, embedding)
    assert logits.shape == (2, 4)


@pytest.mark.parametrize(
    ("architecture", "parameters", "words"),
    [
        ("torchvision/resnet81", {}, r"unknown \(did you mean resnet18\?\)|unknown \(did you mean"),
        ("torchvision/fcn_resnet50", {}, "is unknown"),
        ("torchvision/resnet18", {"widht": 3}, "cannot be built so"),
        ("resnet81", {}, "resnet81"),
        ("lenet", {"width": 3}, "lenet has no width"),
    ],
)
def test_an_architecture_that_is_none_is_refused(architecture, parameters, words):
    with pytest.raises(ConfigError, match=words):
        foreign.core_of(architecture, (3, 32, 32), 10, parameters)


def test_a_library_that_is_missing_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(foreign, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs timm: pip install 'augdistill\[hub\]'"):
        foreign.core_of("timm/resnet18", (3, 32, 32), 10, {})


def test_images_that_it_cannot_take_are_refused():
    model = foreign.foreign("torchvision/vgg", nn.Conv2d(3, 4, 9), (3, 8, 8), 4, None)
    with pytest.raises(ModelError, match="it takes no images of 8 x 8"):
        foreign.try_out(model, (3, 8, 8), 4)
    with pytest.raises(ModelError, match=r"\[2, 4\] is needed"):
        foreign.try_out(model, (3, 12, 12), 4)
