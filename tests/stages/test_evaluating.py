"""What cannot be evaluated is kept apart, and what is about more than one evaluation is raised."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from augdistill.base.errors import DataError, StoppedError
from augdistill.config.jobs import DataOf
from augdistill.stages import evaluating


def test_what_is_about_one_evaluation_is_kept_and_anything_else_is_raised():
    failed = []
    with evaluating.keeping(failed, "one run"):
        raise DataError("its test set is damaged")
    assert [str(error) for error in failed] == ["its test set is damaged"]
    with pytest.raises(StoppedError), evaluating.keeping(failed, "another run"):
        raise StoppedError("stopped")
    assert len(failed) == 1


def test_a_run_that_diverged_has_nothing_to_evaluate(tmp_path):
    run, failed, skipped = SimpleNamespace(status="diverged", path=Path("teacher-x")), [], {}
    assert evaluating.evaluations_of(run, str(tmp_path), True, {}, skipped, failed) == []
    assert evaluating.completed_runs([], DataOf("", str(tmp_path)), True, failed) == []
    assert not failed
