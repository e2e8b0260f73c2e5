"""Properties of teachers against scipy and closed forms."""

import numpy as np
import pytest
import scipy.stats
from scipy.special import softmax

from augdistill.metrics.classification import log_softmax
from augdistill.metrics.teacher import agreement, label_information, logit_sd, mean_probability_sd, teacher_student_kl


def test_logit_sd_is_that_of_the_logits_without_their_row_means():
    logits = np.random.default_rng(0).normal(size=(50, 10)) * 4
    expected = np.sqrt(np.mean([np.var(row) for row in logits]))
    assert expected > 3
    for same in (logits, logits + np.arange(50)[:, None], log_softmax(logits)):
        assert logit_sd(same) == pytest.approx(expected, abs=1e-12)
    assert logit_sd(3 * logits) == pytest.approx(3 * expected)
    assert np.isnan(logit_sd(np.array([[0.0, -np.inf]])))


@pytest.mark.parametrize("temperature", [1.0, 20.0])
def test_label_information_is_what_the_entropy_leaves_of_ln_k(temperature):
    logits = np.random.default_rng(1).normal(size=(50, 10)) * 4
    expected = np.log(10) - scipy.stats.entropy(softmax(logits / temperature, axis=1), axis=1).mean()
    assert expected > 1e-3
    assert label_information(logits, temperature) == pytest.approx(expected, abs=1e-12)
    assert label_information(np.zeros((3, 10)), temperature) == pytest.approx(0, abs=1e-12)
    assert label_information(1e5 * np.eye(10), temperature) == pytest.approx(np.log(10))


@pytest.mark.parametrize("temperature", [1.0, 20.0])
def test_fidelity_has_the_teacher_first(temperature):
    student, teacher = np.random.default_rng(2).normal(size=(2, 50, 10)) * 3
    p, q = softmax(teacher / temperature, axis=1), softmax(student / temperature, axis=1)
    found = teacher_student_kl(student, teacher, temperature)
    assert found == pytest.approx(scipy.stats.entropy(p, q, axis=1).mean(), abs=1e-12)
    assert found != pytest.approx(teacher_student_kl(teacher, student, temperature))
    assert teacher_student_kl(teacher, teacher, temperature) == 0


def test_agreement_is_the_share_of_equal_predictions():
    assert agreement(np.eye(4), np.eye(4)[[0, 1, 3, 2]]) == 0.5
    assert agreement(np.zeros((2, 3)), np.array([[1.0, 0, 0], [0, 0, 1.0]])) == 0.5


def test_t_stddev_is_the_mean_over_classes_of_the_sd_over_groups():
    draws = np.random.default_rng(3).dirichlet(np.ones(4), 7)
    expected = np.mean([scipy.stats.tstd(column) for column in draws.T])
    assert mean_probability_sd(draws) == pytest.approx(expected, abs=1e-15)
    assert mean_probability_sd(np.repeat(draws[:1], 3, axis=0)) == pytest.approx(0, abs=1e-15)
    assert np.isnan(mean_probability_sd(draws[:1]))
