"""Dropout's masks against their definition in unbounded integers, and as chance."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from augdistill.models.dropout import Dropout, keep_mask


def mix_by_hand(bits: int) -> int:
    bits = ((bits ^ (bits >> 16)) * 0x21F0AAAD) % 2**32
    bits = ((bits ^ (bits >> 15)) * 0x735A2D97) % 2**32
    return bits ^ (bits >> 15)


def kept_by_hand(key: int, layer: int, sample: int, unit: int, p: float) -> bool:
    """Return the mask's definition, in Python's unbounded integers."""
    step = mix_by_hand(mix_by_hand(mix_by_hand(key % 2**32) ^ (key >> 32) % 2**32) ^ layer)
    bits = mix_by_hand(sample ^ step) ^ mix_by_hand(unit + 0x9E3779B9)
    bits = ((bits ^ (bits >> 16)) * 0x21F0AAAD) % 2**32
    bits = ((bits ^ (bits >> 15)) * 0x735A2D97) % 2**32
    return (bits + 2**31) % 2**32 >= round(p * 2**32)


@pytest.mark.parametrize("key", [0, 17, 2**31, 2**40 + 17, 2**62 + 5])
def test_masks_equal_the_definition_in_unbounded_integers(key):
    mask = keep_mask(key, 2, 9, 50, 0.6)
    expected = [[kept_by_hand(key, 2, sample, unit, 0.6) for unit in range(50)] for sample in range(9)]
    assert mask.tolist() == expected
    assert torch.equal(keep_mask(torch.tensor(key), 2, 9, 50, 0.6), mask)


def test_a_smaller_batch_and_layer_share_the_mask():
    assert torch.equal(keep_mask(5, 1, 128, 512, 0.6)[:7, :100], keep_mask(5, 1, 7, 100, 0.6))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.6, 0.999])
def test_keep_rate(p):
    mask = keep_mask(12345, 1, 1000, 1000, p)
    assert stats.binomtest(int(mask.sum()), mask.numel(), 1 - p).pvalue > 1e-4


def correlations(rows: Tensor, p: float) -> Tensor:
    """Return the correlations between all pairs of columns, times the root of the number of rows: standard normal."""
    scaled = (rows.double() - (1 - p)) / (p * (1 - p)) ** 0.5
    products = scaled.T @ scaled / len(rows) ** 0.5
    upper = torch.triu_indices(*products.shape, offset=1)
    return products[upper[0], upper[1]]


@pytest.mark.parametrize("across", ["units", "samples", "steps and layers", "cells over steps"])
def test_masks_are_independent(across):
    p = 0.6
    if across == "units":
        found = correlations(keep_mask(3, 1, 3000, 600, p), p)
    elif across == "samples":
        found = correlations(keep_mask(3, 1, 600, 3000, p).T, p)
    elif across == "steps and layers":
        masks = [keep_mask(2**40 + step, layer, 50, 60, p).flatten() for step in range(300) for layer in (1, 2)]
        found = correlations(torch.stack(masks, dim=1), p)
    else:
        masks = [keep_mask(2**40 + step, 1, 20, 30, p).flatten() for step in range(3000)]
        found = correlations(torch.stack(masks), p)
    assert abs(float(found.mean())) < 5 / len(found) ** 0.5
    assert abs(float(found.square().mean()) - 1) < 5 * (2 / len(found)) ** 0.5
    assert float(found.abs().max()) < stats.norm.isf(1e-4 / 2 / len(found))


def test_neighbouring_units_form_all_patterns_evenly():
    patterns = (keep_mask(8, 1, 2000, 4000, 0.5).view(-1, 8) * 2 ** torch.arange(8)).sum(1)
    assert stats.chisquare(torch.bincount(patterns, minlength=256).numpy()).pvalue > 1e-4


def test_dropout_scales_what_it_keeps_and_passes_its_gradient():
    layer = Dropout(0.6, layer=1)
    x = torch.rand(64, 512, dtype=torch.float64).add_(1).requires_grad_()
    assert layer(x, None) is x
    y = layer(x, 7)
    mask = keep_mask(7, 1, 64, 512, 0.6)
    torch.testing.assert_close(y, torch.where(mask, x / 0.4, 0.0))
    y.sum().backward()
    torch.testing.assert_close(x.grad, mask.double() / 0.4)
    assert layer(x.detach().bfloat16(), 7).dtype == torch.bfloat16


def test_masks_need_no_value_on_the_host():
    key = torch.empty((), dtype=torch.int64, device="meta")
    assert keep_mask(key, 1, 8, 16, 0.6, "meta").shape == (8, 16)
