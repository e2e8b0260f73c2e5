"""Verdicts as tables: p-values, what all share, and a row of the CSV for each part."""

from dataclasses import replace

import numpy as np
import pytest

from augdistill.report.tables.verdicts import apart, common_warnings, p_text, raw_sides, to_csv
from known_verdicts import STUDENTS, rows, verdict


@pytest.mark.parametrize(
    ("p", "text"), [(0.0, "< 0.0001"), (0.00009, "< 0.0001"), (0.02533, "0.0253"), (1.0, "1.0000"), (np.nan, "–")]
)
def test_p_has_the_digits_that_a_comparison_needs(p, text):
    assert p_text(p) == text


def test_a_p_and_its_level_are_told_apart_where_they_differ():
    assert apart(0.02533, 0.025) == ("0.0253", "0.025")
    assert apart(0.0250004, 0.025) == ("0.0250004", "0.025")
    assert apart(0.31, 0.05 / 9) == ("0.3100", "0.005556")
    assert apart(0.025, 0.025) == ("0.0250", "0.025")


def test_a_metric_without_a_better_side_is_shown_as_it_is_and_not_as_claimed():
    values = {"baseline": (0.05, 0.002), "mixup": (-0.07, 0.002), "cutmix": (-0.02, 0.002)}
    table = rows("teacher", "resnet18", {name: (abs(mean), sd) for name, (mean, sd) in values.items()}, "ece")
    found = verdict("7a", table, rows("teacher", "resnet18", values, "ece_gap"), augs=list(values))
    gap = next(part for part in found.secondary if part.metric == "ece_gap")
    shown = raw_sides(gap)
    assert shown.estimate == pytest.approx(-0.12, abs=0.01)
    assert (shown.mean_plus, shown.mean_minus) == (pytest.approx(-0.07, abs=0.01), pytest.approx(0.05, abs=0.01))
    assert shown.ci95 == (-gap.ci95[1], -gap.ci95[0])
    assert raw_sides(found.parts[0]) is found.parts[0]


def test_what_all_verdicts_share_is_said_once():
    a, b = (replace(verdict("2", rows("student", "lenet", STUDENTS)), warnings=("exploratory", w)) for w in "xy")
    assert common_warnings([a, b]) == ["exploratory"]
    assert common_warnings([a]) == []


def test_the_csv_has_a_row_per_part_and_says_which_decides():
    found = verdict("2", rows("student", "lenet", STUDENTS))
    lines = to_csv([found]).splitlines()
    head_row = lines[0].split(",")
    table = [dict(zip(head_row, line.split(","), strict=True)) for line in lines[1:]]
    assert [row["decides"] for row in table] == ["1", "0", "0", "0", "0"]
    assert float(table[0]["estimate"]) == pytest.approx(found.contrast.estimate)
    assert float(table[0]["printed"]) == pytest.approx(2.5)
