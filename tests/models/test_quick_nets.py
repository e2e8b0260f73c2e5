"""ResNet9 and Airbench, against plain sequences of their layers, their weights counted by hand."""

import pytest
import torch
from torch import nn

from augdistill.base.errors import ModelError
from augdistill.models import build, stacks
from built import images, in_double


def pair(before: int, after: int) -> list[nn.Module]:
    pooled = [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(after), nn.ReLU()]
    return [*pooled, nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]


class Ninth(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 9


def plain(name: str, channels: int, width: int) -> nn.Sequential:
    wide, stem = 4 * width, width if name == "resnet9" else 8 * channels
    layers = [nn.Conv2d(channels, stem, 2), nn.ReLU(), *pair(stem, width), *pair(width, wide), *pair(wide, wide)]
    scale = nn.Identity() if name == "resnet9" else Ninth()
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), scale, nn.Linear(wide, 10))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "channels"), [("resnet9", 1), ("airbench", 1), ("airbench", 3)])
def test_a_quick_net_is_a_plain_sequence_of_its_layers(name, channels, training):
    width, side = 8, 24
    theirs = plain(name, channels, width).double().train(training)
    ours = in_double(name, (channels, side, side), width=width).train(training)
    values = ours.state_dict()
    if name == "airbench":
        values = {"filters": values.pop("filters"), "bias": values.pop("bias"), **values}
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values.values(), strict=True)))
    x = images(3, channels, side, side)
    logits, expected = ours(x)[0], theirs(x)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    logits.square().sum().backward(), expected.square().sum().backward()
    learned = [value for key, value in theirs.named_parameters() if (name, key) != ("airbench", "0.weight")]
    for mine, other in zip(ours.parameters(), learned, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("channels", [1, 3])
def test_airbenchs_stem_divides_a_basis_of_patches_by_how_much_it_varies_and_has_its_negatives(channels):
    filters = build("airbench", (channels, 32, 32), 10, seed=0).filters.double().flatten(1)
    half = 4 * channels
    assert torch.equal(filters[half:], -filters[:half])
    lengths = filters[:half].norm(dim=1)
    basis = filters[:half] / lengths[:, None]
    torch.testing.assert_close(basis @ basis.T, torch.eye(half, dtype=torch.float64), rtol=0, atol=1e-6)
    deviations = 1 / lengths
    assert deviations[0] == deviations.max()  # a patch's brightness varies most
    even = torch.ones(1, channels, 2, 2).flatten(1).double()
    torch.testing.assert_close(even @ basis.T, torch.eye(half)[:1].double() * 2 * channels**0.5, rtol=0, atol=1e-6)


def test_airbenchs_convolutions_begin_as_identities_of_their_first_channels():
    model = build("airbench", (3, 32, 32), 10, seed=0, width=32).double()
    convolutions = [layer for layer in model.blocks.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions[:3]] == [(24, 32), (32, 32), (32, 128)]
    for layer in convolutions:
        x = images(2, layer.in_channels, 5, 5)
        assert torch.equal(layer(x)[:, : layer.in_channels], x)
    assert convolutions[0].weight[24:].std() > 0.01  # PyTorch's default
    assert build("airbench", (1, 32, 32), 10, seed=0, width=8).blocks[0][0].weight.sum() == 8


def test_airbench_refuses_images_that_are_neither_grey_nor_coloured():
    with pytest.raises(ModelError, match=r"^airbench needs images of 1 or 3 channels, got 2: choose another model, as"):
        build("airbench", (2, 32, 32), 10, seed=0)


def test_resnet9_has_as_many_weights_as_its_layers_and_cannot_be_in_a_bank():
    width = 16
    stem = 3 * 4 * width + width
    blocks = 9 * (2 * width**2 + 4 * width**2 + 3 * (4 * width) ** 2) + 2 * (2 * width + 4 * (4 * width))
    model = build("resnet9", (3, 32, 32), 10, seed=0, width=width)
    assert sum(parameter.numel() for parameter in model.parameters()) == stem + blocks + 4 * width * 10 + 10
    assert not stacks(model)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("width", [8, 16, 24])
@pytest.mark.parametrize("name", ["resnet9", "airbench"])
def test_a_quick_net_in_fp32_computes_the_same_gradients_channels_last(name, width, threads):
    """What PyTorch 2.15 cannot be trusted with in channels last (`is_unsound`), these models do not have."""
    torch.set_num_threads(threads)
    precise = build(name, (3, 32, 32), 10, seed=0, width=width).double()
    single = build(name, (3, 32, 32), 10, seed=0, width=width)
    x = images(8, 3, 32, 32)
    precise(x)[0].square().sum().backward(), single(x.float())[0].square().sum().backward()
    largest = max(float(other.grad.norm()) for other in precise.parameters())
    for mine, other in zip(single.parameters(), precise.parameters(), strict=True):
        # what batch norm follows through identities has none, whatever its scale: such gradients are rounding alone
        distance = (mine.grad - other.grad).norm() / other.grad.norm().clamp(min=1e-3 * largest)
        assert distance < 1e-3
