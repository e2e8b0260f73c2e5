"""Tests of looks at a study that grows: the level each spends, and the family that stays what it was."""

import pytest
from scipy import stats

from augdistill.claims.judging import judge
from augdistill.claims.looks import Look, Looks, family_hash, family_of
from augdistill.claims.schema import Study
from claim_tables import CLAIMED, CLAIMS, EQUAL, both, meta


def test_a_look_before_all_blocks_are_there_spends_little_and_the_last_one_the_rest():
    frame, study = both(CLAIMED).frame(), meta("2", looks=2)
    early = frame[frame["block"] < 3]
    first = next(v for v in judge(early, study, CLAIMS) if v.claim.id == "2")
    assert (first.look.number, first.look.blocks, first.look.planned, first.look.is_planned) == (1, 3, 5, True)
    expected = 4 * stats.norm.sf(stats.norm.isf(0.0125) / (3 / 5) ** 0.5)  # O'Brien and Fleming's function, two sides
    assert first.level == pytest.approx(expected, rel=1e-3)
    seen = Looks((Look(3, "", "x"),))
    last = next(v for v in judge(frame, study, CLAIMS, looks=seen) if v.claim.id == "2")
    assert last.look.number == 2
    assert 0.05 - first.level < last.level < 0.05
    unplanned = next(v for v in judge(frame[frame["block"] < 4], study, CLAIMS) if v.claim.id == "2")
    assert not unplanned.look.is_planned


def test_blocks_added_after_the_last_planned_look_find_nothing_left():
    frame, study = both(CLAIMED).frame(), meta("2")
    family = family_of(Study.from_meta({**study, "blocks": 3}, CLAIMS), CLAIMS)
    looks = Looks((Look(3, "", family_hash(family)),), family)
    verdict = next(v for v in judge(frame, study, CLAIMS, looks=looks) if v.claim.id == "2")
    assert (verdict.outcome, verdict.level) == ("open", 0.0)
    assert "planned blocks changed after the first look, were 3, are 5" in verdict.warnings


def test_what_an_earlier_look_decided_stands_in_the_same_family_alone():
    frame, study = both(EQUAL, sd=0.02).frame(), meta("2", looks=2)
    family = family_of(Study.from_meta(study, CLAIMS), CLAIMS)
    looks = Looks((Look(3, "", family_hash(family), {"2": "supported"}),), family)
    verdict = next(v for v in judge(frame, study, CLAIMS, looks=looks) if v.claim.id == "2")
    assert (verdict.outcome, verdict.decided_at) == ("supported", 3)
    other = next(v for v in judge(frame, meta("2", "1", looks=2), CLAIMS, looks=looks) if v.claim.id == "2")
    assert (other.outcome, other.decided_at) == ("open", 0)
    assert "secondary claims changed after the first look, were none, are 1" in other.warnings


def test_a_claim_whose_definition_changed_is_another_family():
    asked = {"name": "s", "blocks": 4, "claims": ["2"], "augs": ["baseline"], "students": ["lenet"]}
    study = Study.from_meta({**asked, "dataset": "cifar10", "test_set": "t", "looks": 2}, CLAIMS)
    family = family_of(study, CLAIMS)
    assert (family["looks"], family["blocks"], family["margins"]) == ([2, 4], 4, {"2": 0.5})
    changed = Looks((Look(2, "", "x"),), {**family, "definitions": "other"}).changes(family)
    assert changed == ("definitions of the claims changed after the first look",)


def test_blocks_that_were_taken_away_do_not_make_an_earlier_look():
    looks = Looks((Look(6, "", "x"),), {})
    assert looks.level(4, 6, 0.05) == 0
    assert looks.level(6, 6, 0.05) == pytest.approx(0.05)
    assert Looks((Look(3, "", "x"),), {}).spending(6) == (3, 6)
