"""torchvision's models by name: their own logits, nothing random but by the key, nothing downloaded, refusals."""

import urllib.request

import pytest
import torch
import torchvision
from torch import nn

from augdistill.base.errors import ModelError
from augdistill.models import build, stacks
from augdistill.models.torchvision_models import KeyedDropout, known
from built import images, in_double


@pytest.mark.parametrize("arch", ["mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5"])
def test_a_model_has_torchvisions_logits(arch):
    ours = in_double("torchvision", (3, 64, 64), arch=arch)
    theirs = torchvision.models.get_model(arch, weights=None, num_classes=10).double().eval()
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(2, 3, 64, 64)
    logits, embedding = ours(x)
    torch.testing.assert_close(logits, theirs(x))
    assert torch.equal(ours.head(embedding), logits)


def test_nothing_is_downloaded(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", refuse)
    build("torchvision", (3, 64, 64), 10, seed=0)


@pytest.mark.parametrize("arch", ["mobilenet_v3_small", "efficientnet_b0"])
def test_what_drops_is_the_keys_alone(arch):
    model = in_double("torchvision", (3, 64, 64), arch=arch).train()
    assert not any(isinstance(layer, nn.Dropout | torchvision.ops.StochasticDepth) for layer in model.modules())
    x, before = images(4, 3, 64, 64), torch.get_rng_state()
    first, again, other, none = (model(x, key)[0] for key in (1, 1, 2, None))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, none)


def test_whole_images_drop_and_the_others_are_scaled():
    drop = KeyedDropout(0.25, layer=0, whole=True)
    x = torch.ones(4000, 2, 3)
    assert torch.equal(drop(x), x)
    drop.key = 5
    found = drop(x)
    assert torch.equal(found.amax((1, 2)), found.amin((1, 2)))
    assert found.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert found.mean().item() == pytest.approx(1, abs=0.05)


SOME = ("alexnet", "convnext_tiny", "vit_b_32")


@pytest.mark.parametrize(
    "arch", [*SOME, *(pytest.param(one, marks=pytest.mark.long) for one in known() if one not in SOME)]
)
def test_every_name_is_built_and_has_an_embedding(arch):
    with torch.device("meta"):
        model = build("torchvision", (3, 224, 224), 7, seed=0, arch=arch).train()
        logits, embedding = model(torch.empty(2, 3, 224, 224), 0)
    assert logits.shape == (2, 7)
    assert embedding.shape == (2, model.head.in_features)
    assert not stacks(model)


@pytest.mark.parametrize(
    ("shape", "arch", "words"),
    [
        ((1, 64, 64), "resnet18", "take images of 3 channels, got 1: set dataset.channels=3"),
        ((3, 32, 32), "alexnet", "alexnet of torchvision cannot take images of 32 x 32: enlarge them"),
        ((3, 100, 100), "vit_b_16", "vit_b_16 of torchvision cannot take images of 100 x 100"),
    ],
)
def test_images_that_a_model_cannot_take_are_refused_in_one_line(shape, arch, words):
    with pytest.raises(ModelError, match=words) as caught:
        build("torchvision", shape, 10, seed=0, arch=arch)
    assert "\n" not in str(caught.value)
