"""What a student is called, by its training accuracy and its dead units."""

import pytest

from augdistill.metrics.health import health


@pytest.mark.parametrize(
    ("accuracy", "dead", "classes", "word"),
    [
        (0.93, 0.12, 10, "dead units"),  # 93 % accuracy is no collapse
        (0.93, 0.10, 10, ""),
        (0.14, 0.0, 10, "collapsed"),
        (0.14, 0.9, 10, "collapsed"),
        (0.16, 0.0, 10, ""),
        (0.74, 0.0, 2, "collapsed"),
        (0.76, 0.5, 2, "dead units"),
    ],
)
def test_chance_is_a_collapse_and_dead_units_alone_are_not(accuracy, dead, classes, word):
    assert health(accuracy, dead, classes) == word
