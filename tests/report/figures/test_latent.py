"""Which classes and images are placed in the plane, once and the same each time."""

import numpy as np
import pytest

from augdistill.report.figures.latent import four_classes, subset, teacher_map


def test_four_classes_are_the_papers_or_the_most_confused_pairs():
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert [names[index] for index in four_classes(names, [])] == ["bird", "cat", "automobile", "truck"]
    confusion = np.full((6, 6), 1.0) + 50 * np.eye(6)
    confusion[4, 1] = confusion[1, 4] = 9
    confusion[1, 2] = 12  # a third of the pair (1, 2) is taken by the larger (1, 4)
    confusion[5, 0] = 7
    assert four_classes(list("abcdef"), [confusion]) == [1, 4, 0, 5]
    assert four_classes(list("abc"), [confusion]) == [0, 1, 2]


def test_embeddings_are_placed_once_and_the_same_each_time(source, tmp_path, monkeypatch):
    place = next(source.saved.plain("teacher", "resnet18", "mixup"))
    first = teacher_map(source.saved, place, [0, 1, 2, 3], tmp_path / "a")
    again = teacher_map(source.saved, place, [0, 1, 2, 3], tmp_path / "b")
    np.testing.assert_array_equal(first.points, again.points)
    assert first.points.shape == (120, 2)
    assert [int((first.members == member).sum()) for member in range(4)] == [30] * 4
    monkeypatch.setattr("augdistill.report.figures.latent.embed", None)  # what is kept is not computed again
    kept = teacher_map(source.saved, place, [0, 1, 2, 3], tmp_path / "a")
    np.testing.assert_array_equal(kept.points, first.points)
    with pytest.raises(TypeError):
        teacher_map(source.saved, place, [4, 5, 6, 7], tmp_path / "a")


def test_a_subset_has_at_most_so_many_of_each_class():
    classes = np.repeat(np.arange(5), 400)
    rows = subset(classes, [4, 1], seed=0)
    assert np.bincount(classes[rows], minlength=5).tolist() == [0, 150, 0, 0, 150]
    assert (np.diff(rows) > 0).all()
