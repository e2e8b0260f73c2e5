"""The table that a study prints: means over blocks of the means over each block's students."""

import pandas as pd

from augdistill.report.console import accuracy_table

COLUMNS = ["variant", "role", "model", "teacher_aug", "student_aug", "block", "student_seed", "test_set", "metric"]
NAN = float("nan")


def test_a_cell_is_the_mean_over_blocks_and_a_lost_run_costs_its_own_value_only():
    def student(aug: str, block: int, seed: int, value: float, status: str = "finished"):
        return ("", "student", "lenet", aug, "baseline", block, seed, "digits-test", "accuracy", value, status)

    runs = [student("baseline", 0, 0, 0.5), student("baseline", 0, 1, 0.7), student("baseline", 1, 2, 0.9)]
    runs += [student("cutmix", 0, 0, 0.25), student("cutmix", 0, 1, NAN, "diverged")]
    runs += [student("cutmix", 1, 2, NAN, "diverged"), student("labels", 0, 0, NAN, "missing")]
    runs += [student("mixup", 0, 0, 0.1, "collapsed"), student("mixup", 1, 2, 0.5, "dead units")]
    lines = accuracy_table(pd.DataFrame(runs, columns=[*COLUMNS, "value", "status"]), "digits-test").splitlines()
    # blocks 0.6 and 0.9: mean 0.75, s.d. 0.3 / sqrt(2)
    assert [line.split(maxsplit=1) for line in lines[2:]] == [
        ["baseline", "75.0 ± 21.2 (2)"],
        ["cutmix", "25.0 (1; 2 diverged)"],
        ["mixup", "30.0 ± 28.3 (2; 1 collapsed)"],
        ["labels", "- (0; 1 missing)"],
    ]
