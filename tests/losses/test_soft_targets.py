"""What may be done to a teacher's logits, against NumPy and loops."""

import math

import numpy as np
import pytest
import torch

from augdistill.losses.soft_targets import class_means, ensemble_logits, logit_sd, teacher_probabilities, zscore
from by_hand import log_softmax_by_hand, random_logits


def test_teacher_probabilities_are_a_softmax_at_temperature():
    logits = random_logits(8, 10)
    expected = [[math.exp(value) for value in log_softmax_by_hand(row, 20.0)] for row in logits.tolist()]
    np.testing.assert_allclose(teacher_probabilities(logits, 20.0).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_an_ensemble_teaches_the_mean_of_probabilities_at_t_or_of_logits(temperature):
    members = torch.stack([random_logits(6, 5), 3 * random_logits(6, 5).flip(0), random_logits(6, 5).flip(1)])
    mean = np.mean([[np.exp(log_softmax_by_hand(r, temperature)) for r in m.tolist()] for m in members], axis=0)
    found = teacher_probabilities(ensemble_logits(members, temperature, "probabilities"), temperature)
    np.testing.assert_allclose(found.numpy(), mean, rtol=1e-10)
    np.testing.assert_allclose(ensemble_logits(members, temperature, "logits"), members.numpy().mean(0), rtol=1e-12)
    one = ensemble_logits(members[:1], temperature, "probabilities")
    np.testing.assert_allclose(teacher_probabilities(one, temperature), teacher_probabilities(members[0], temperature))


def test_logit_sd_is_the_root_mean_square_of_centred_rows():
    logits = random_logits(50, 10) + 100 * torch.arange(50)[:, None]
    centred = logits.numpy() - logits.numpy().mean(axis=1, keepdims=True)
    assert logit_sd(logits).item() == pytest.approx(math.sqrt((centred**2).mean()), rel=1e-10)
    assert logit_sd(logits * 2.67 / logit_sd(logits)).item() == pytest.approx(2.67, rel=1e-10)


def test_class_means_are_those_of_each_ones_own_class():
    labels = torch.tensor([2, 0, 2, 0, 2, 5])
    values = random_logits(6, 4).softmax(1)
    expected = [values[[j for j in range(6) if labels[j] == labels[i]]].double().mean(0) for i in range(6)]
    np.testing.assert_allclose(class_means(values, labels).numpy(), torch.stack(expected).numpy(), rtol=1e-6)
    assert class_means(values, labels).dtype == values.dtype


def test_zscore_standardises_each_sample():
    standard = zscore(random_logits(8, 10)).numpy()
    np.testing.assert_allclose(standard.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(standard.std(axis=1), 1, rtol=1e-12)
    assert torch.equal(zscore(torch.full((2, 4), 3.0)), torch.zeros(2, 4))
