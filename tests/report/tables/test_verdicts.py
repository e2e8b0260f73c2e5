"""Verdicts as tables: p-values, what all share, and a row of the CSV for each part."""

from dataclasses import replace

import numpy as np
import pytest

from augdistill.report.tables.verdicts import common_warnings, p_text, to_csv
from known_verdicts import STUDENTS, rows, verdict


@pytest.mark.parametrize(
    ("p", "text"), [(0.0, "< 0.0001"), (0.00009, "< 0.0001"), (0.02533, "0.0253"), (1.0, "1.0000"), (np.nan, "–")]
)
def test_p_has_the_digits_that_a_comparison_needs(p, text):
    assert p_text(p) == text


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
