"""Tests of what a claim is asked about in a study: every claim in whole, and in studies of fewer or other arms."""

from augdistill.claims.judging import judge
from augdistill.stats.decisions import OUTCOMES
from claim_tables import CLAIMED, CLAIMS, IDS, Table, both, everything, judged, meta

SPECIFIED = {  # id: (kind, parts, margin, unit, paired parts), as in the claims file's table
    "1": ("difference", 2, 0.3, "pt", 0),
    "2": ("difference", 4, 0.5, "pt", 0),
    "3": ("difference", 4, 0.5, "pt", 0),
    "4": ("difference", 2, 0.1, "pt", 0),
    "5": ("difference", 4, 0.05, "", 0),
    "6": ("rank", 2, 0.5, "rho", 0),
    "7a": ("difference", 2, 0.01, "", 0),
    "7b": ("difference", 4, 0.01, "", 0),
    "8": ("difference", 2, 0.01, "", 1),
    "9": ("equivalence", 8, 0.01, "", 0),
    "10": ("equivalence", 8, 1.0, "pt", 8),
    "11": ("difference", 2, 0.5, "pt", 0),
    "12": ("difference", 4, 0.01, "nat", 0),
    "13": ("rank", 2, 0.5, "rho", 0),
    "14": ("difference", 8, 0.5, "pt", 0),
    "15": ("difference", 1, 0.05, "nat", 0),
    "corruption": ("difference", 4, 0.5, "pt", 0),
    "robustness-transfer": ("difference", 4, 0.5, "pt", 0),
    "out-of-distribution": ("difference", 4, 0.01, "", 0),
}


def test_every_claim_has_the_parts_and_margin_of_its_row():
    assert list(SPECIFIED) == IDS
    for verdict in judge(everything().frame(), meta(*IDS), CLAIMS):
        kind, parts, margin, unit, pairs = SPECIFIED[verdict.claim.id]
        claim = verdict.claim
        assert (claim.kind, len(verdict.parts), claim.margin, claim.unit) == (kind, parts, margin, unit)
        assert sum(part.pairs for part in verdict.parts) == pairs
        assert not [part.reason for part in verdict.parts if part.reason]
        assert verdict.outcome in OUTCOMES
        assert (verdict.contrast is not None) == (claim.id in ("2", "12", "14", *IDS[-3:]))
        assert claim.variance == ("pooled" if claim.metric == "accuracy" and kind != "rank" else "separate")
        assert verdict.tests == (0 if kind == "rank" else 1 if claim.id == "2" else 16)


def test_a_study_with_fewer_arms_is_judged_on_those_and_says_what_it_lacks():
    table = Table().students({"baseline": 0.65, "cutmix": 0.61})
    verdict = judged(table, "2", augs=["baseline", "cutmix"], students=["lenet"])
    assert verdict.outcome == "supported"
    assert [part.label for part in verdict.parts] == ["cutmix lenet"]
    assert "not in this study: mixup lenet; mixup alexnet; cutmix alexnet" in verdict.warnings
    assert judged(table, "14", augs=["baseline", "cutmix"], students=["lenet"]).outcome == "not tested by this study"


def test_the_digits_are_asked_in_an_exploratory_way_with_the_small_alexnet_in_its_place():
    table = Table(test_set="digits-test").students(CLAIMED).students(CLAIMED, model="alexnet-small")
    verdict = judged(table, "2", dataset="digits", test_set="digits-test", students=["lenet", "alexnet-small"])
    assert verdict.outcome == "supported"
    assert {part.test_set for part in verdict.parts} == {"digits-test"}
    assert "exploratory: the claim is about cifar10, the study about digits" in verdict.warnings
    assert "alexnet-small stands in for alexnet" in verdict.warnings


def test_on_a_ladder_strategies_are_judged_against_its_base():
    ladder = ["flip-crop", "flip-crop+cutout", "flip-crop+mixup", "flip-crop+cutmix"]
    means = {"flip-crop": 0.65, "flip-crop+cutout": 0.65, "flip-crop+mixup": 0.61, "flip-crop+cutmix": 0.60}
    verdict = judged(both(means), "2", augs=ladder, base="flip-crop")
    assert verdict.outcome == "supported"
    assert "exploratory: judged on top of flip-crop" in verdict.warnings
    verdict = judged(both(means), "14", augs=ladder, base="flip-crop")
    assert [part.label for part in verdict.parts][:2] == ["cutout mixup lenet", "cutout mixup alexnet"]
