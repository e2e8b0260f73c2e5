"""Wide ResNets are those of pytorchcv, where it is installed, and count as they should."""

import pytest
import torch
from torch import nn

from built import images, in_double


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "depth", "widen"), [("wrn-16-1", 16, 1), ("wrn-16-2", 16, 2), ("wrn-40-1", 40, 1)])
def test_they_are_those_of_pytorchcv(name, depth, widen, training):
    reference = pytest.importorskip("pytorchcv.models.wrn_cifar").CIFARWRN
    channels = [[16 * widen * 2**stage] * ((depth - 4) // 6) for stage in range(3)]
    theirs = reference(channels, 16, num_classes=10).double().train(training)
    theirs.features.final_pool = nn.AdaptiveAvgPool2d(1)
    ours = in_double(name, (3, 16, 16)).train(training)
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(3, 3, 16, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("depth", "widen"), [(16, 1), (16, 2), (40, 1), (40, 2)])
def test_its_parameters_are_those_of_the_formula(depth, widen):
    """By hand, of ten classes: two convolutions and norms a block, projections, the last norm and the linear layer."""
    count, before, blocks = 3 * 16 * 9, 16, (depth - 4) // 6
    for stage in range(3):
        wide = 16 * widen * 2**stage
        for index in range(blocks):
            into = before if index == 0 else wide
            count += 2 * into + into * wide * 9 + 2 * wide + wide * wide * 9 + (into * wide if into != wide else 0)
        before = wide
    count += 2 * before + before * 10 + 10
    model = in_double(f"wrn-{depth}-{widen}", (3, 8, 8))
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_what_does_not_change_its_shape_stands_beside_its_block_as_it_is():
    """A block whose convolutions give nothing returns its input; one that changes the shape returns its projection."""
    blocks = in_double("wrn-16-1", (3, 8, 8)).blocks
    for block, channels in ((blocks[0], 16), (blocks[2], 16)):
        nn.init.zeros_(block.conv2.weight)
        x = images(2, channels, 8, 8)
        if block.shortcut is None:
            assert torch.equal(block(x), x)
        else:
            torch.testing.assert_close(block(x), block.shortcut(torch.relu(block.norm1(x))))
