"""Both AlexNets, layer by layer in functional PyTorch, and what drops."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from augdistill.base.errors import ConfigError
from augdistill.models.dropout import keep_mask
from built import images, in_double


def alexnet_by_hand(x: Tensor, w: list[Tensor]) -> Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1], padding=2)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3], padding=2)), 2)
    for i in (4, 6, 8):
        x = F.relu(F.conv2d(x, w[i], w[i + 1], padding=1))
    x = F.max_pool2d(x, 3, stride=2).flatten(1)
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w[10], w[11])), w[12], w[13])), w[14], w[15])


def small_alexnet_by_hand(x: Tensor, w: list[Tensor]) -> Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1], stride=4, padding=5)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3], padding=2)), 2)
    for i in (4, 6, 8):
        x = F.relu(F.conv2d(x, w[i], w[i + 1], padding=1))
    return F.linear(F.max_pool2d(x, 2).flatten(1), w[10], w[11])


@pytest.mark.parametrize(("name", "by_hand"), [("alexnet", alexnet_by_hand), ("alexnet-small", small_alexnet_by_hand)])
def test_logits_equal_the_layers_of_the_notes(name, by_hand):
    model, x = in_double(name, (3, 32, 32)), images(2, 3, 32, 32)
    torch.testing.assert_close(model(x)[0], by_hand(x, list(model.parameters())), rtol=1e-12, atol=1e-12)


def test_a_narrow_small_alexnet_has_all_layers_in_proportion():
    model, x = in_double("alexnet-small", (1, 32, 32), channels=16), images(2, 1, 32, 32)
    weights = list(model.parameters())
    assert [len(w) for w in weights[::2]] == [16, 48, 96, 64, 64, 10]
    torch.testing.assert_close(model(x)[0], small_alexnet_by_hand(x, weights), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("channels", [0, 1025, 16.0, True])
def test_channels_that_are_no_number_of_channels_are_refused(channels):
    with pytest.raises(ConfigError, match=r"alexnet-small\.channels=.*a whole number from 1 to 1024"):
        in_double("alexnet-small", (3, 32, 32), channels=channels)


def test_alexnet_drops_by_key_and_not_in_evaluation():
    model, x = in_double("alexnet", (3, 16, 16)), images(4, 3, 16, 16)
    with torch.no_grad():
        clean = model(x)[0]
        assert torch.equal(model.train()(x)[0], clean)
        dropped = model(x, key=1)[0]
        assert torch.equal(model.eval()(x, key=torch.tensor(1))[0], dropped)
        assert not torch.allclose(dropped, clean)
        assert not torch.allclose(model(x, key=2)[0], dropped)
        flat = model.features(x).flatten(1)
        hidden = torch.relu(model.hidden1(flat * keep_mask(1, 1, 4, flat.shape[1], 0.6) / 0.4))
        embedding = torch.relu(model.hidden2(hidden * keep_mask(1, 2, 4, 2048, 0.6) / 0.4))
        torch.testing.assert_close(dropped, model.head(embedding))
