"""Tests of what a verdict is read off: a group's planned contrast, or every part."""

import pytest

from claim_tables import CLAIMED, EQUAL, Table, judged


def test_a_claim_that_needs_every_part_is_refuted_by_one():
    table = Table().teachers({**EQUAL, "mixup": 0.60, "cutmix": 0.66})
    verdict = judged(table, "1")
    assert (verdict.outcome, verdict.refuted, verdict.is_open) == ("contradicted in part", ("mixup",), False)
    assert {part.label: part.outcome for part in verdict.deciding} == {"mixup": "contradicted", "cutmix": "supported"}
    refuting = verdict.parts[0]
    assert verdict.p == pytest.approx(2 * 2 * refuting.below)  # two sides, two parts


def test_a_group_is_judged_by_its_mean_whatever_its_parts_say():
    table = Table().students(CLAIMED).students({**EQUAL, "mixup": 0.645, "cutmix": 0.66}, model="alexnet")
    verdict = judged(table, "2")
    assert verdict.outcome == "supported"
    assert [part.label for part in verdict.deciding] == ["mean of 4 parts"]
    assert {part.label: part.outcome for part in verdict.parts}["cutmix alexnet"] == "contradicted"
    assert judged(Table().students(EQUAL, sd=0.05), "2", students=["lenet"]).is_open
