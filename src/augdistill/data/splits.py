"""Fixed, stratified splits: the same on every machine and in every version of numpy."""

import numpy as np

from augdistill.base.errors import DataError
from augdistill.base.seeds import derive


def stratified(labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted indices (rest, chosen) with `count` chosen, each class in proportion to within one image.

    `labels` int [N], 0 <= count < N. A class's share is rounded down; what is left goes to the largest remainders.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    quotas, remainders = np.divmod(count * sizes, len(labels))
    quotas[np.argsort(-remainders, kind="stable")[: count - quotas.sum()]] += 1
    # Raw words of a bit generator are guaranteed to stay as they are; Generator.permutation is not.
    order = np.argsort(np.random.PCG64(seed).random_raw(len(labels)), kind="stable")
    chosen = np.zeros(len(labels), dtype=bool)
    for index, quota in enumerate(quotas):
        chosen[order[classes[order] == index][:quota]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def split_validation(labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted (train_indices, validation_indices) of a training set; `count` images are held out.

    Stratified, and fixed: no seed of a run moves it. Raises DataError unless 0 <= count < N.
    """
    if not 0 <= count < len(labels):
        raise DataError(f"dataset.validation is {count}; allowed: 0 to {len(labels) - 1} of {len(labels)} images")
    return stratified(labels, count, derive(0, "validation-split"))
