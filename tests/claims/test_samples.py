"""Tests of which runs make up an arm: means within blocks, runs that are lost, and those that do not belong."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from augdistill.base.errors import ConfigError
from augdistill.claims.arms import Arm
from augdistill.claims.judging import judge
from augdistill.claims.samples import Runs, block_means
from augdistill.claims.schema import parse_claims
from claim_tables import (
    CLAIMED,
    STRATEGIES,
    Table,
    both,
    cells,
    judged,
    with_status,
)


def test_one_lost_run_is_left_out_and_said():
    frame = both(CLAIMED).frame()
    one = (frame["model"] == "lenet") & (frame["teacher_aug"] == "mixup") & (frame["student_seed"] == 3)
    for status in ("diverged", "collapsed"):
        verdict = judged(with_status(frame, one, status), "2")
        assert verdict.outcome == "supported"
        assert f"1 {status} of 10 runs: student lenet of mixup; left out" in verdict.warnings
        assert verdict.parts[0].n_minus == 5


def test_too_many_lost_runs_leave_a_claim_undecided():
    frame = both(CLAIMED).frame()
    many = (frame["model"] == "lenet") & (frame["teacher_aug"] == "mixup") & (frame["student_seed"] < 3)
    verdict = judged(with_status(frame, many, "collapsed"), "2")
    assert verdict.outcome == "open"
    reason = "3 collapsed of 10 runs: student lenet of mixup; what is left does not stand for the arm"
    assert verdict.contrast.reason == verdict.parts[0].reason == reason
    assert np.isnan(verdict.parts[0].p)


def test_a_lost_teacher_is_said_beside_its_students():
    table = both(CLAIMED).teachers(dict.fromkeys(STRATEGIES, 0.9))
    frame = table.frame()
    frame = frame[~((frame["role"] == "student") & (frame["teacher_aug"] == "cutmix") & (frame["block"] == 1))]
    frame = with_status(
        frame, (frame["role"] == "teacher") & (frame["teacher_aug"] == "cutmix") & (frame["block"] == 1), "diverged"
    )
    verdict = judged(frame, "2")
    assert "1 diverged of 5 runs: teacher with cutmix; left out" in verdict.warnings
    assert "interim: 4 of 5 blocks in the smallest arm" in verdict.warnings


def test_one_part_without_data_keeps_the_claim_undecided_however_clear_the_others_are():
    frame = both(CLAIMED).frame()
    verdict = judged(frame[~((frame["model"] == "alexnet") & (frame["teacher_aug"] == "cutmix"))], "2")
    assert verdict.outcome == "open"
    assert verdict.p == 1.0
    assert verdict.contrast.reason == "no accuracy on cifar10-test of student alexnet of cutmix"


def test_two_runs_in_one_place_are_not_averaged_in_silence():
    frame = both(CLAIMED).frame()
    again = frame[(frame["model"] == "lenet") & (frame["teacher_aug"] == "mixup")].assign(run="another")
    verdict = judged(pd.concat([frame, again]), "2")
    assert verdict.contrast.reason == "several runs of student lenet of mixup share a block and seed"
    assert judged(pd.concat([frame, frame]), "2").outcome == "supported"


def test_cells_of_a_grid_do_not_enter():
    frame = both(CLAIMED).frame()
    grid = frame.assign(variant="distillation.temperature=4", value=0.1, run=frame["run"] + "-T4")
    verdict = judged(pd.concat([frame.assign(variant=""), grid]), "2")
    assert verdict.parts[0].estimate == judged(frame, "2").parts[0].estimate


def in_a_grid() -> pd.DataFrame:
    """Students of two strategies, alike in the main arm; in the cell of T = 20, those of mixup are 5 points worse."""
    rows = []
    for cell, gap in (("", 0.0), ("distillation.temperature=20", 0.05)):
        for name, mean in (("baseline", 0.7), ("mixup", 0.7 - gap)):
            for block in range(5):
                value = mean + 0.001 * np.sin(7.0 * block + len(name))
                fixed = {"role": "student", "model": "lenet", "student_aug": "baseline", "metric": "accuracy"}
                where = {"block": block, "student_seed": block, "teacher_aug": name, "variant": cell, "value": value}
                rows.append({**fixed, **where, "test_set": "cifar10-test", "run": f"{cell}{name}{block}"})
    return pd.DataFrame(rows).assign(study="s", status="finished", precision="fp32")


def test_a_claim_may_name_the_cells_of_a_grid() -> None:
    """Each $name within the cell's name takes its values; the main arm is judged beside it, as it is without cells."""
    part = "{role: student, model: lenet, teacher_aug: %s, variant: distillation.temperature=$t}"
    text = f"""
    claims:
      - {{id: cell, text: a, kind: difference, metric: accuracy, unit: pt, margin: 0.5, variance: pooled, parts: [
          {{over: {{t: ['20']}}, plus: {part % "baseline"}, minus: {part % "mixup"}}}]}}
      - {{id: main, text: a, kind: equivalence, metric: accuracy, unit: pt, margin: 0.5, variance: pooled, parts: [
          {{plus: {{role: student, model: lenet, teacher_aug: baseline}},
            minus: {{role: student, model: lenet, teacher_aug: mixup}}}}]}}
    """
    claims = parse_claims(yaml.safe_load(text), "claims.yaml")
    meta = {"name": "s", "blocks": 5, "claims": ["cell", "main"], "augs": ["baseline", "mixup"], "students": ["lenet"]}
    cell, main = judge(in_a_grid(), {**meta, "dataset": "cifar10", "test_set": "cifar10-test"}, claims)
    assert cell.parts[0].estimate == pytest.approx(5.0, abs=0.2)
    assert main.parts[0].estimate == pytest.approx(0.0, abs=0.2)
    assert (cell.outcome, main.outcome) == ("supported", "supported")
    assert claims["cell"].variants == {"distillation.temperature=20"}
    wrong = text.replace("$t", "$u")
    with pytest.raises(ConfigError, match=r"claim cell: \$u has no values; `over` or `average` must list them"):
        parse_claims(yaml.safe_load(wrong), "claims.yaml")


def test_the_teacher_of_a_cell_is_that_of_the_cell_where_it_changes_the_teacher() -> None:
    frame = in_a_grid()
    teachers = frame[frame["student_seed"] == 0].assign(role="teacher", model="resnet9", student_aug="", run="t")
    several = pd.concat([frame, teachers.replace({"distillation.temperature=20": "teacher_optim.epochs=9"})])
    runs = Runs(several)
    cell = Arm("student", "lenet", "mixup", "baseline", "distillation.temperature=20")
    assert [arm.variant for arm in runs.teachers(cell)] == [""]
    both = replace(cell, variant="teacher_optim.epochs=9,distillation.temperature=20")
    assert [arm.variant for arm in runs.teachers(both)] == ["teacher_optim.epochs=9"]


def test_block_means_are_means_over_students():
    table = Table().students({"baseline": 0.5})
    values = Runs(table.frame()).values(Arm("student", "lenet", "baseline", "baseline"), "accuracy", "cifar10-test")
    assert list(block_means(values).values()) == pytest.approx(
        cells(table, "student", "lenet", "baseline").mean(axis=1)
    )
