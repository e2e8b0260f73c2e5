"""Training curves over the epochs that all runs have."""

from augdistill.report.figures.curves import course


def test_courses_cover_the_epochs_that_all_runs_have():
    found = course("mixup", [[3.0, 2.0, 1.0], [5.0, 4.0]])
    assert (found.mean.tolist(), found.low.tolist(), found.high.tolist()) == ([4, 3], [3, 2], [5, 4])
