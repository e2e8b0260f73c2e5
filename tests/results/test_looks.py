"""The record of looks: written once for each number of blocks, and the family of the first look is kept."""

import json

import pytest

import saved_studies
from augdistill.base.errors import RunError
from augdistill.claims.looks import Looks, family_hash
from augdistill.report.building import judged
from augdistill.results.looks import LOOKS, load_looks


@pytest.fixture
def saved(tmp_path):
    return saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=3", 'study.claims=["2","7b"]')


def read(saved):
    return json.loads((saved.folder / LOOKS).read_text())


def test_a_report_records_a_look_and_the_same_one_again_is_none(saved):
    first = judged(saved)
    content = read(saved)
    assert content["frozen"]["primary"], content["frozen"]["secondary"] == (["2"], ["7b"])
    (look,) = content["looks"]
    assert (look["blocks"], look["family"]) == (3, family_hash(content["frozen"]))
    assert set(look["outcomes"]) == {v.claim.id for v in first if v.outcome.startswith(("supp", "contra", "excl"))}
    again = judged(saved)
    assert read(saved) == content
    assert [(v.outcome, v.p, v.level) for v in again if v.p == v.p] == [
        (v.outcome, v.p, v.level) for v in first if v.p == v.p
    ]


def test_another_family_after_the_first_look_is_said_on_every_verdict_with_what_it_was(saved):
    judged(saved)
    asked = saved.design.model_copy(update={"claims": ("9",), "margins": {"9": 0.5}})
    other = type(saved)(saved.plan.model_copy(update={"study": asked}), saved.store)
    verdict = next(v for v in judged(other) if v.claim.id == "9")
    assert "primary claims changed after the first look, were 2, are none" in verdict.warnings
    assert "secondary claims changed after the first look, were 7b, are 9" in verdict.warnings
    assert "margins changed after the first look, were 2: 0.5, 7b: 0.01, are 9: 0.5" in verdict.warnings
    content = read(saved)
    assert content["frozen"]["secondary"] == ["7b"]
    assert len(content["looks"]) == 2


def test_nothing_to_test_is_no_look(tmp_path):
    saved = saved_studies.write_study(tmp_path, "study=tiny", "study.blocks=1", 'study.claims=["2"]')
    judged(saved)
    assert not (saved.folder / LOOKS).exists()
    assert load_looks(saved.folder) == Looks()


def test_a_damaged_record_is_refused_and_not_overwritten(saved):
    (saved.folder / LOOKS).write_text('{"frozen": {}, "looks": 3}')
    with pytest.raises(RunError, match=LOOKS):
        judged(saved)
