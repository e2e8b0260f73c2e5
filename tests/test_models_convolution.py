"""Images convolved side by side against PyTorch's own convolution: maps, gradients, and where it is chosen."""

import pytest
import torch
from torch import Tensor, nn

from augdistill.models.convolution import WIDE, Convolution, is_slow, side_by_side


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (5, 2), (1, 0), (3, 0), ((3, 1), (1, 0))])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch", [3, 6, 32])  # one, two and all in a row
def test_images_side_by_side_give_the_same_maps(kernel, padding, memory, batch) -> None:
    layer = Convolution(5, 7, kernel, padding=padding).double().to(memory_format=memory)
    plain = nn.Conv2d(5, 7, kernel, padding=padding).double()
    plain.load_state_dict(layer.state_dict())
    ours, theirs = noise(batch, 5, 4, 3).requires_grad_(), noise(batch, 5, 4, 3).requires_grad_()
    found, expected = side_by_side(layer, ours), plain(theirs)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    (found * noise(*found.shape)).sum().backward()
    (expected * noise(*expected.shape)).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)
    for mine, other in zip(layer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-12, atol=1e-12)


def test_it_is_chosen_for_wide_layers_on_tiny_maps_in_bf16_alone() -> None:
    layer = Convolution(WIDE, 8, 3, padding=1)
    assert not is_slow(layer, noise(2, WIDE, 2, 2))
    with torch.autocast("cpu", torch.bfloat16):
        assert is_slow(layer, noise(2, WIDE, 2, 2))
        assert not is_slow(layer, noise(2, WIDE, 5, 2))
        assert not is_slow(Convolution(WIDE - 1, 8, 3, padding=1), noise(2, WIDE - 1, 2, 2))
        assert not is_slow(Convolution(WIDE, 8, 3, stride=2, padding=1), noise(2, WIDE, 2, 2))
        assert not is_slow(Convolution(WIDE, WIDE, 3, groups=2), noise(2, WIDE, 4, 4))


@torch.no_grad()
def test_in_bf16_both_forms_round_alike() -> None:
    layer, images = Convolution(WIDE, 16, 3, padding=1), noise(4, WIDE, 2, 2, dtype=torch.float32)
    exact = nn.Conv2d.forward(layer, images)
    with torch.autocast("cpu", torch.bfloat16):
        rows, convolution = layer(images), nn.Conv2d.forward(layer, images)
    assert rows.dtype == convolution.dtype == torch.bfloat16
    error, theirs = (float((found.float() - exact).norm() / exact.norm()) for found in (rows, convolution))
    assert 0 < error < max(1.2 * theirs, 5e-3)  # bf16 has 8 bits: 0.2 to 0.4 %
