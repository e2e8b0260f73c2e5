"""The contract of models: weights from a seed, logits and an embedding, each image on its own, in a bank as alone."""

import pytest
import torch
from torch import Tensor, nn

from augdistill.base.errors import ConfigError
from augdistill.config import choices, parameters
from augdistill.conformance import models_of_each_class, normal
from augdistill.models import build, stacks
from augdistill.training.bank import Bank

SHAPE, CLASSES, BATCH = (3, 32, 32), 5, 3
every_model = pytest.mark.parametrize("name", models_of_each_class())


def made(name: str, seed: int = 0) -> nn.Module:
    """Return a model with the defaults of its YAML file, in float64."""
    folder = "student" if name in choices("student") else "teacher"
    return build(name, SHAPE, CLASSES, seed=seed, **parameters(folder, name)).double()


def images(seed: int = 0) -> Tensor:
    return normal(BATCH, *SHAPE, seed=seed)


@every_model
def test_weights_are_a_function_of_the_seed_and_the_global_generator_stays(name: str) -> None:
    before = torch.get_rng_state()
    first, again, other = (made(name, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every_model
def test_logits_and_embedding_of_each_image_are_its_own(name: str) -> None:
    model, batch = made(name).eval(), images()
    kept = batch.clone()
    with torch.no_grad():
        logits, embedding = model(batch)
        again, _ = model(batch)
        alone = [model(batch[index : index + 1]) for index in range(BATCH)]
    assert logits.shape == (BATCH, CLASSES)
    assert embedding.ndim == 2
    assert len(embedding) == BATCH
    assert torch.equal(logits, again)
    assert torch.equal(batch, kept)
    torch.testing.assert_close(torch.cat([one[0] for one in alone]), logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(torch.cat([one[1] for one in alone]), embedding, rtol=1e-9, atol=1e-9)


@every_model
def test_the_embedding_is_the_input_of_the_last_linear_layer(name: str) -> None:
    model = made(name).eval()
    logits, embedding = model(images())
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    torch.testing.assert_close(last(embedding), logits, rtol=0, atol=0)


@every_model
def test_every_weight_learns(name: str) -> None:
    model = made(name).train()
    logits, _ = model(images(), 1)
    logits.logsumexp(1).sum().backward()
    for key, value in model.named_parameters():
        assert value.grad is not None, f"no gradient reaches {key}"
        assert value.grad.isfinite().all(), key


@every_model
def test_no_value_is_asked_of_the_device(name: str) -> None:
    """On the meta device there are no values: reading one, or a shape that depends on one, raises."""
    model = made(name).to("meta").train()
    logits, _ = model(images().to("meta"), torch.zeros((), dtype=torch.int64, device="meta"))
    logits.sum().backward()


@every_model
def test_a_key_decides_what_drops(name: str) -> None:
    """In training the same key gives the same logits, as a number and as a tensor."""
    model, batch = made(name).train(), images()
    first, again, tensor = (model(batch, key)[0] for key in (4, 4, torch.tensor(4)))
    assert torch.equal(first, again)
    assert torch.equal(first, tensor)


@every_model
def test_in_a_bank_it_is_what_it_is_alone(name: str) -> None:
    if not stacks(made(name)):
        pytest.skip(f"{name} has statistics of batches")
    members, batches = [made(name, seed).train() for seed in (0, 1)], [images(seed) for seed in (0, 1)]
    bank = Bank(members).train()
    found = bank(torch.stack(batches), torch.tensor([7, 8]))
    found.square().sum().backward()
    gradients = dict(bank.stacked.named_parameters())
    for index, (member, batch) in enumerate(zip(members, batches, strict=True)):
        logits, _ = member(batch, 7 + index)
        logits.square().sum().backward()
        torch.testing.assert_close(found[index], logits, rtol=1e-9, atol=1e-9)
        for key, value in member.named_parameters():
            together = gradients[key].grad
            assert together is not None
            assert value.grad is not None
            torch.testing.assert_close(together[index], value.grad, rtol=1e-8, atol=1e-8)


@every_model
def test_a_parameter_that_it_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} has no nonsense"):
        build(name, SHAPE, CLASSES, seed=0, nonsense=1)
