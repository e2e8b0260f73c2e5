"""What cannot be evaluated is kept apart, and everything else is made."""

import shutil

from augdistill.config.jobs import DataOf
from augdistill.stages import evaluating
from augdistill.store.runs import RunStore
from core import flip_bit


def test_a_damaged_run_and_a_missing_test_set_stop_no_other(tiny_study, tmp_path):
    outputs = shutil.copytree(tiny_study, tmp_path / "outputs")
    for folder in (outputs / "runs").glob("evaluation-*"):
        shutil.rmtree(folder)
    store, failed, skipped = RunStore(outputs), [], {}
    bad, good, *_ = store.all("teacher")
    flip_bit(bad.path / "weights.safetensors")
    at = (str(outputs), True, {}, skipped, failed)
    assert evaluating.evaluations_of(bad, *at) == []
    (made,) = evaluating.evaluations_of(good, *at)
    assert made.evaluation.test_set == "digits-test"
    assert [bad.path.name in str(error) for error in failed] == [True]
    assert evaluating.evaluations_of(good, *at)[0].id == made.id
    assert evaluating.completed_runs([good], DataOf("", str(outputs)), True, failed) == []
