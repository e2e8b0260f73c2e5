"""Attacks by hand in float64, their bounds, and against torchattacks where that is installed."""

import numpy as np
import pytest
import torch
from torch import nn

from augdistill.shift import attacks


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Tanh(), nn.Linear(16, 5)).double()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    images = 255 * torch.rand((6, 3, 4, 4), generator=chance, dtype=torch.float64)
    return images, torch.arange(6) % 5


def scaled(model: nn.Module) -> attacks.LogitsOf:
    return lambda pixels: model(pixels / 255)


def test_one_step_is_the_sign_of_the_gradient():
    model, (images, labels) = network(), batch()
    moved = attacks.attack(scaled(model), images, labels, norm="linf", radius=4, steps=1, step_size=4)
    pixels = images.clone().requires_grad_()
    nn.functional.cross_entropy(model(pixels / 255), labels).backward()
    assert torch.allclose(moved, (images + 4 * pixels.grad.sign()).clamp(0, 255))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_steps_stay_within_the_radius_and_raise_the_loss(norm):
    model, (images, labels) = network().requires_grad_(False), batch()
    losses = []
    for radius in (2.0, 8.0, 32.0):
        start = attacks.displacement(images.shape, norm, radius, np.random.default_rng(2)).double()
        how = {"norm": norm, "radius": radius, "steps": 10, "step_size": radius / 4, "start": start}
        moved = attacks.attack(scaled(model), images, labels, **how)
        change = (moved - images).flatten(1)
        length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
        assert (length <= radius * (1 + 1e-9)).all()
        assert (moved >= 0).all()
        assert (moved <= 255).all()
        losses.append(float(nn.functional.cross_entropy(model(moved / 255), labels)))
    assert float(nn.functional.cross_entropy(model(images / 255), labels)) < losses[0] < losses[1] < losses[2]


def test_no_radius_gives_the_images_back():
    images, labels = batch()
    start = attacks.displacement(images.shape, "l2", 0.0, np.random.default_rng(0))
    how = {"norm": "l2", "radius": 0.0, "steps": 5, "step_size": 1.0, "start": start}
    assert attacks.attack(scaled(network()), images, labels, **how) is images


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_noise_is_as_large_as_it_may_be_and_a_start_anywhere(norm):
    shape, chance = torch.Size((500, 1, 3, 3)), np.random.default_rng(0)
    blind = attacks.noise(shape, norm, 3.0, chance).flatten(1)
    start = attacks.displacement(shape, norm, 3.0, chance).flatten(1)
    size = {"linf": lambda values: values.abs().amax(1), "l2": lambda values: values.norm(dim=1)}[norm]
    assert torch.allclose(size(blind), torch.full((500,), 3.0))
    assert float(size(start).max()) <= 3.0 + 1e-5
    assert float((size(start) < 2.7).float().mean()) == pytest.approx(0.9**9, abs=0.08)  # a share of the volume


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_steps_are_those_of_torchattacks(norm):
    torchattacks = pytest.importorskip("torchattacks")
    model, (images, labels) = network().float(), batch()
    images = images.float() / 255
    kind = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
    radius, step = (8, 2) if norm == "linf" else (128, 32)
    theirs = kind(model, eps=radius / 255, alpha=step / 255, steps=7, random_start=False)(images, labels)
    how = {"norm": norm, "radius": radius, "steps": 7, "step_size": step}
    ours = attacks.attack(scaled(model), 255 * images, labels, **how)
    assert torch.allclose(ours / 255, theirs, atol=2e-6)
