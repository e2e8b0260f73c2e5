"""The fixed splits, against a naive choice one class at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augdistill import data
from augdistill.base.errors import DataError
from augdistill.base.seeds import derive
from augdistill.data.splits import stratified


def naive_choice(labels: list[int], quotas: dict[int, int], seed: int) -> list[int]:
    """The rows with the smallest random words of each class, one class at a time."""
    words = np.random.PCG64(seed).random_raw(len(labels)).tolist()
    chosen: list[int] = []
    for label, quota in quotas.items():
        rows = [row for row in range(len(labels)) if labels[row] == label]
        chosen += sorted(rows, key=lambda row: words[row])[:quota]
    return sorted(chosen)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.data())
def test_stratified_takes_each_class_in_proportion(labels, drawn) -> None:
    count = drawn.draw(st.integers(0, len(labels) - 1))
    rest, chosen = stratified(np.array(labels), count, seed=3)
    assert sorted([*rest, *chosen]) == list(range(len(labels)))
    assert len(chosen) == count
    assert list(rest) == sorted(rest)
    quotas = {label: sum(labels[row] == label for row in chosen) for label in set(labels)}
    for label, quota in quotas.items():
        assert abs(quota - count * labels.count(label) / len(labels)) < 1
    assert list(chosen) == naive_choice(labels, quotas, 3)


def test_validation_split_is_fixed_and_bounded() -> None:
    labels = np.arange(50_000) % 10
    train, validation = data.split_validation(labels, 5000)
    assert np.bincount(labels[validation]).tolist() == [500] * 10
    assert list(validation) == naive_choice(
        labels.tolist(), dict.fromkeys(range(10), 500), derive(0, "validation-split")
    )
    assert len(train) == 45_000
    everything, nothing = data.split_validation(labels, 0)
    assert (len(everything), len(nothing)) == (50_000, 0)
    for count in (-1, 50_000, 60_000):
        with pytest.raises(DataError, match=rf"dataset\.validation is {count}; allowed: 0 to 49999"):
            data.split_validation(labels, count)
