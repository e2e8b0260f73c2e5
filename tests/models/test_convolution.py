"""Images convolved side by side against PyTorch's own convolution: maps, gradients, and where it is chosen."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from augdistill.models.convolution import WIDE, Convolution, is_slow, is_unsound, side_by_side, strided


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


@pytest.mark.parametrize("stride", [2, (2, 3)])
def test_a_strided_projection_gives_the_same_maps(stride) -> None:
    layer = Convolution(5, 7, 1, stride=stride).double()
    plain = nn.Conv2d(5, 7, 1, stride=stride).double()
    plain.load_state_dict(layer.state_dict())
    ours, theirs = noise(3, 5, 8, 7).requires_grad_(), noise(3, 5, 8, 7).requires_grad_()
    found, expected = strided(layer, ours), plain(theirs)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    (found * noise(*found.shape)).sum().backward()
    (expected * noise(*expected.shape)).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("capability", "wide"), [("AVX2", 8), ("DEFAULT", 8), ("AVX512", 16), ("AVX512_BF16", 16)])
def test_it_is_chosen_for_projections_narrower_than_a_vector(capability, wide, monkeypatch) -> None:
    """There oneDNN's own form ended whole processes: "free(): invalid pointer"."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)

    def images(channels: int) -> Tensor:
        return noise(2, channels, 8, 8).contiguous(memory_format=torch.channels_last)

    assert is_unsound(Convolution(4, 8, 1, stride=2), images(4))
    assert not is_unsound(Convolution(4, 8, 1), images(4))
    assert not is_unsound(Convolution(4, 8, 3, stride=2, padding=1), images(4))
    assert is_unsound(Convolution(wide - 1, 16, 1, stride=2), images(wide - 1))
    assert not is_unsound(Convolution(wide, 16, 1, stride=2), images(wide))
    assert is_unsound(Convolution(4, 8, 1, stride=2), images(4).contiguous()) is (wide == 8)


STEPS = """
import torch
from augdistill.models.convolution import Convolution
torch.set_num_threads(2)
for channels in (4, 8, 15):
    layer = Convolution(channels, 2 * channels, 1, stride=2, bias=False).to(memory_format=torch.channels_last)
    for precision in (torch.bfloat16, torch.float32):
        for _ in range(60):
            images = torch.randn(29, channels, 16, 16).contiguous(memory_format=torch.channels_last).requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
                maps = layer(images)
            maps.float().square().sum().backward()
            [torch.empty(size) for size in range(1, 300, 7)]
"""


def test_many_steps_of_narrow_projections_leave_memory_sound() -> None:
    """In a process of its own, on two threads, which PyTorch's own form ends on a signal."""
    ended = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
