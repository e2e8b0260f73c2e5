"""ShuffleNets: V2 is torchvision's with a small stem, V1 what its weights give when they are applied one by one."""

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.shufflenetv2 import channel_shuffle

from augdistill.models.shufflenet import shuffled
from built import images, in_double


def test_a_shuffle_is_torchvisions():
    x = images(2, 12, 3, 5)
    for groups in (1, 2, 3, 4):
        assert torch.equal(shuffled(x, groups), channel_shuffle(x, groups))


@pytest.mark.parametrize("training", [False, True])
def test_v2_is_torchvisions_with_a_small_stem(training):
    theirs = torchvision.models.ShuffleNetV2([4, 8, 4], [24, 116, 232, 464, 1024], num_classes=10)
    theirs.conv1[0], theirs.maxpool = nn.Conv2d(3, 24, 1, bias=False), nn.Identity()
    theirs, ours = theirs.double().train(training), in_double("shufflenet-v2", (3, 16, 16)).train(training)
    state = ours.state_dict()
    assert [value.shape for value in state.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    x = images(3, 3, 16, 16)
    torch.testing.assert_close(ours(x)[0], theirs(x), rtol=1e-9, atol=1e-9)


def test_v1_is_what_its_weights_give_in_the_order_of_repdistillers():
    """Three stages of 4, 8 and 4 units, the first of each halves; groups of 3, but of the stem's 24 channels none."""
    model = in_double("shufflenet-v1", (3, 16, 16))
    weights = iter([value for name, value in model.state_dict().items() if "num_batches" not in name])

    def layer(x: Tensor, **how: int) -> Tensor:
        weight, scale, shift, mean, variance = (next(weights) for _ in range(5))
        return F.batch_norm(F.conv2d(x, weight, **how), mean, variance, scale, shift)

    x = images(2, 3, 16, 16)
    out = F.relu(layer(x))
    for channels, count in ((240, 4), (480, 8), (960, 4)):
        for index in range(count):
            groups = 1 if out.shape[1] == 24 else 3
            inner = (channels - (out.shape[1] if index == 0 else 0)) // 4
            body = F.relu(layer(out, groups=groups))
            body = body.view(2, groups, inner // groups, *body.shape[2:]).transpose(1, 2).reshape(body.shape)
            body = F.relu(layer(body, stride=2 if index == 0 else 1, padding=1, groups=inner))
            body = layer(body, groups=3)
            pooled = F.avg_pool2d(out, 3, stride=2, padding=1)
            out = F.relu(torch.cat([body, pooled], 1) if index == 0 else body + out)
    logits = F.linear(out.mean((2, 3)), next(weights), next(weights))
    torch.testing.assert_close(model(x)[0], logits, rtol=1e-10, atol=1e-10)
    assert next(weights, None) is None
