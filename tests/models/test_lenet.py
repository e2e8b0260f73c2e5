"""LeNet, layer by layer in functional PyTorch."""

import torch
from torch import Tensor
from torch.nn import functional as F

from built import images, in_double


def lenet_by_hand(x: Tensor, w: list[Tensor]) -> Tensor:
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1])), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w[2], w[3])), 2).flatten(1)
    return F.linear(F.relu(F.linear(F.relu(F.linear(x, w[4], w[5])), w[6], w[7])), w[8], w[9])


def test_lenets_logits_equal_the_layers_of_the_notes():
    model, x = in_double("lenet", (3, 32, 32)), images(2, 3, 32, 32)
    torch.testing.assert_close(model(x)[0], lenet_by_hand(x, list(model.parameters())), rtol=1e-12, atol=1e-12)
