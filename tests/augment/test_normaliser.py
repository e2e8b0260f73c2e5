"""Bytes become the normalised floats that torchvision makes of them, in the memory format that is asked for."""

import pytest
import torch
from torchvision.transforms import functional as tv

from augdistill.augment.normaliser import Normaliser

MEAN, STD = torch.tensor([0.49, 0.48, 0.45]), torch.tensor([0.247, 0.243, 0.261])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_bytes_are_normalised_as_torchvision_does(dtype, layout):
    every_byte = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(2, 3, -1, -1)
    found = Normaliser(MEAN.to(dtype), STD.to(dtype), (3, 16, 16), layout)(every_byte)
    expected = tv.normalize(every_byte.double() / 255, MEAN.double().tolist(), STD.double().tolist())
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=8 * torch.finfo(dtype).eps)


def test_black_is_what_a_byte_of_0_becomes():
    normalise = Normaliser(MEAN, STD, (3, 4, 4), torch.channels_last)
    black = normalise(torch.zeros(5, 3, 4, 4, dtype=torch.uint8))
    assert torch.equal(black, normalise.black[None, :, None, None].expand(5, 3, 4, 4))
