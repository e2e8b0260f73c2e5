"""Max-pooling by whole maps, against PyTorch's: the same bits forward and backward, ties and all."""

import pytest
import torch
from torch.nn import functional as F

from augdistill.models import pooling


def maps(*shape: int, dtype=torch.bfloat16, memory=torch.channels_last) -> torch.Tensor:
    """Few different values, so that every window has ties, some of them in zeros of both signs."""
    values = torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(0)) / 2
    return (values * -1.0).to(dtype).contiguous(memory_format=memory).requires_grad_()


@pytest.mark.parametrize("shape", [(5, 6, 28, 28), (1, 2, 2, 2), (3, 14, 4, 10)])
def test_maxima_and_gradients_are_pytorchs_bit_by_bit(shape):
    images, again = maps(*shape), maps(*shape)
    assert pooling.is_slow(images)
    found, expected = pooling.MaxPool2x2()(images), F.max_pool2d(again, 2)
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).bfloat16()
    found.backward(gradient)
    expected.backward(gradient)
    assert torch.equal(images.grad, again.grad)
    assert images.grad.count_nonzero() == gradient.count_nonzero()


@pytest.mark.parametrize("where", [0, 1, 2, 3])
def test_nan_stays_nan(where):
    images = maps(2, 6, 4, 4).detach()
    images[0, 0, where // 2, where % 2] = torch.nan
    found, expected = pooling.fast_max_pool(images), F.max_pool2d(images, 2)
    assert torch.equal(found.isnan(), expected.isnan())
    assert found.isnan().sum() == 1


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((2, 16, 4, 4), {}),  # as many channels as PyTorch's kernel likes
        ((2, 5, 4, 4), {}),
        ((2, 6, 5, 4), {}),
        ((2, 6, 4, 5), {}),
        ((2, 6, 4, 4), {"dtype": torch.float32}),
        ((2, 6, 4, 4), {"memory": torch.contiguous_format}),
    ],
)
def test_what_the_other_form_is_not_for_goes_to_pytorch(shape, kept):
    images = maps(*shape, **kept)
    assert not pooling.is_slow(images)
    assert torch.equal(pooling.MaxPool2x2()(images), F.max_pool2d(images, 2))
