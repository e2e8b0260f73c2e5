"""What cannot be evaluated is kept apart, and what is about more than one evaluation is raised."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from augdistill.base.errors import DataError, StoppedError
from augdistill.cli.listing import shifts_table
from augdistill.config.checking import check_command
from augdistill.config.commands import AsTrained
from augdistill.config.jobs import DataOf
from augdistill.stages import evaluating
from core import compose


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


def test_what_a_command_asks_under_shift_is_made_once_and_printed(subjects):
    run, failed = subjects["control"], []
    where, outputs = AsTrained(), str(run.path.parents[1])
    words = (f"outputs={outputs}", "attack=fgsm", "attack.images=20", f"source={subjects['teacher'].path.name}")
    attack = check_command("evaluate-attack", compose("evaluate-attack", *words) | {"wait": True})
    (attacked,) = evaluating.shifts_of(run, attack, where, failed)
    assert attacked.path == evaluating.shifts_of(run, attack, where, failed)[0].path
    made = "corruptions=[{name: made, severities: [1], images: 20}]"
    asked = compose("evaluate", f"outputs={outputs}", made, "unknown=[noise,digits]") | {"wait": True}
    found = evaluating.shifts_of(run, check_command("evaluate", asked), where, failed)
    assert [one.shift.test_set for one in found] == ["digits-test+made-corruptions", "digits-test+unknown-noise"]
    assert [str(error)[:14] for error in failed] == ["unknown=digits"]
    head, *lines = shifts_table([attacked, *found]).splitlines()
    assert head.split() == ["under", "run"]
    assert "accuracy at 0/255 " in lines[0]
    assert "accuracy " in lines[1]
    assert "AUROC " in lines[2]
    assert evaluating.shifts_of(SimpleNamespace(status="diverged"), attack, where, failed) == []
