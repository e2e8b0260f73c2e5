"""Figures about humans show what evaluations measured."""

import numpy as np
import pytest

import saved_studies
from augdistill.report.figures.humans import human_means, matrices


def test_human_figures_show_what_evaluations_measured(source):
    means = human_means(source)
    truth = saved_studies.TRUTH
    naive = np.stack([saved_studies.HUMANS[truth == index].mean(axis=0) for index in range(10)])
    np.testing.assert_allclose(means, naive, rtol=1e-12)
    found = {(matrix.role, matrix.model, matrix.strategy): matrix for matrix in matrices(source)}
    assert len(found) == 15
    rows = source.saved.results.query("role == 'teacher' and teacher_aug == 'cutmix' and test_set == 'cifar10h'")
    for metric, value in (("diagonal", "human_kl_diagonal"), ("off_diagonal", "human_kl_off_diagonal")):
        shown = getattr(found["teacher", "resnet18", "cutmix"], metric)
        assert shown == pytest.approx(rows[rows.metric == value].value.mean())
