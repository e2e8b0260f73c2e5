"""ResNet9, against a plain sequence of its layers, its weights counted by hand."""

import pytest
import torch
from torch import nn

from augdistill.models import build, stacks
from built import images, in_double


@pytest.mark.parametrize("training", [False, True])
def test_resnet9_is_a_plain_sequence_of_its_layers(training):
    width, (channels, side) = 8, (1, 24)
    wide = 4 * width

    def pair(before: int, after: int) -> list[nn.Module]:
        pooled = [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(after), nn.ReLU()]
        return [*pooled, nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

    layers = [nn.Conv2d(channels, width, 2), nn.ReLU(), *pair(width, width), *pair(width, wide), *pair(wide, wide)]
    theirs = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(wide, 10)).double().train(training)
    ours = in_double("resnet9", (channels, side, side), width=width).train(training)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = images(3, channels, side, side)
    logits, expected = ours(x)[0], theirs(x)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    logits.square().sum().backward(), expected.square().sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-8, atol=1e-8)


def test_resnet9_has_as_many_weights_as_its_layers_and_cannot_be_in_a_bank():
    width = 16
    stem = 3 * 4 * width + width
    blocks = 9 * (2 * width**2 + 4 * width**2 + 3 * (4 * width) ** 2) + 2 * (2 * width + 4 * (4 * width))
    model = build("resnet9", (3, 32, 32), 10, seed=0, width=width)
    assert sum(parameter.numel() for parameter in model.parameters()) == stem + blocks + 4 * width * 10 + 10
    assert not stacks(model)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("width", [8, 16, 24])
def test_resnet9_in_fp32_computes_the_same_gradients_channels_last(width, threads):
    """What PyTorch 2.15 cannot be trusted with in channels last (`is_unsound`), this model does not have."""
    torch.set_num_threads(threads)
    precise = build("resnet9", (3, 32, 32), 10, seed=0, width=width).double()
    single = build("resnet9", (3, 32, 32), 10, seed=0, width=width)
    x = images(8, 3, 32, 32)
    precise(x)[0].square().sum().backward(), single(x.float())[0].square().sum().backward()
    for mine, other in zip(single.parameters(), precise.parameters(), strict=True):
        distance = (mine.grad - other.grad).norm() / other.grad.norm().clamp(min=1e-3)
        assert distance < 1e-3
