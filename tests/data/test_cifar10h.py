"""CIFAR-10H: people's label distributions, the publisher's, and whose rows are CIFAR-10's test images."""

import hashlib

import numpy as np
import pytest

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.data import cifar10h
from data_files import (
    human_probabilities,
    write_cifar10,
    write_cifar10h,
)


def test_human_labels_are_the_publishers_or_refused(tmp_path, monkeypatch) -> None:
    probabilities = human_probabilities()
    path = write_cifar10h(tmp_path, probabilities)
    with pytest.raises(DataError, match="not the publisher's"):
        data.load_human_labels("cifar10h", root=tmp_path)
    monkeypatch.setattr(cifar10h, "CHECKSUM", f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    human = data.load_human_labels("cifar10h", root=tmp_path)
    assert np.array_equal(human.probabilities, probabilities)
    assert human.probabilities.dtype == np.float64
    assert human.verified
    assert human.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:9999], "10000 x 10"),
        (lambda rows: rows.astype(np.int64), "10000 x 10"),
        (lambda rows: np.where(np.arange(10) == 3, np.nan, rows), "not finite"),
        (lambda rows: rows - 0.5 * (np.arange(10) == 0) + 0.5 * (np.arange(10) == 1), "negative"),
        (lambda rows: rows * (1 + 1e-4 * (np.arange(10_000) == 7)[:, None]), "row 7 sums to 1.0001"),
        (lambda rows: rows.astype(object), "not a numpy array"),
    ],
)
def test_human_labels_must_be_distributions(tmp_path, change, words) -> None:
    path = write_cifar10h(tmp_path, human_probabilities())
    np.save(path, change(human_probabilities()))
    with pytest.raises(DataError, match=words):
        data.load_human_labels("cifar10h", root=tmp_path, verify=False)


def test_human_labels_announcing_more_than_the_file_holds_are_refused(tmp_path) -> None:
    path = write_cifar10h(tmp_path, human_probabilities())
    path.write_bytes(path.read_bytes().replace(b"(10000, 10)", b"(90000000, 10000)", 1)[:2000])
    with pytest.raises(DataError, match=r"cifar10h-probs\.npy"):
        data.load_human_labels("cifar10h", root=tmp_path, verify=False)


def test_cifar10h_needs_cifar10s_whole_test_set(tmp_path) -> None:
    write_cifar10h(tmp_path, human_probabilities())
    write_cifar10(tmp_path)
    with pytest.raises(DataError, match=r"has 10,000 rows, but .* has 20 test images"):
        data.load("cifar10h", "test", root=tmp_path, cache=tmp_path / "cache", verify=False)
