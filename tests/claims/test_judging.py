"""Tests of the verdicts on small tables of runs: every word, every pairing by hand, and what is missing said so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from scipy import stats

from augdistill.base.errors import ConfigError
from augdistill.claims import schema as claims_module
from augdistill.claims.comparison import compare, pairing
from augdistill.claims.judging import join, judge
from augdistill.claims.looks import Look, Looks, family_hash, family_of
from augdistill.claims.printed import agrees_with_print, load_published, printed_numbers
from augdistill.claims.samples import Runs, block_means
from augdistill.claims.schema import Arm, Study, load_claims
from augdistill.stats import contrasts as st
from augdistill.stats.decisions import OUTCOMES
from augdistill.stats.ranks import spearman

CLAIMS = load_claims()
STRATEGIES = ["baseline", "flip-crop", "cutout", "mixup", "cutmix"]
BLOCKS, STUDENTS = 5, 2
IDS = [claim.id for claim in CLAIMS.claims]


class Table:
    """Rows of results: every arm has normal noise of its own, the same in every table of the same seed."""

    def __init__(self, seed=0, blocks=BLOCKS, test_set="cifar10-test"):
        self.rng, self.blocks, self.test_set, self.rows = np.random.default_rng(seed), blocks, test_set, []

    def add(self, role, model, teacher_aug, mean, sd=0.002, student_aug=None, metric="accuracy", test_set=None):
        own = student_aug or ("" if role == "teacher" else "baseline")
        for block in range(self.blocks):
            for k in range(1 if role == "teacher" else STUDENTS):
                seed = -1 if role == "teacher" else STUDENTS * block + k
                self.rows.append(
                    {
                        "role": role,
                        "model": model,
                        "teacher_aug": teacher_aug,
                        "student_aug": own,
                        "block": block,
                        "student_seed": seed,
                        "metric": metric,
                        "test_set": test_set or self.test_set,
                        "value": mean + sd * self.rng.normal(),
                        "run": f"{role}-{model}-{teacher_aug}-{own}-{block}-{seed}",
                    }
                )
        return self

    def students(self, means, model="lenet", **kwargs):
        for aug, mean in means.items():
            self.add("student", model, aug, mean, **kwargs)
        return self

    def teachers(self, means, **kwargs):
        for aug, mean in means.items():
            self.add("teacher", "resnet18", aug, mean, **kwargs)
        return self

    def frame(self):
        return pd.DataFrame(self.rows).assign(study="s", status="finished", precision="fp32")


def meta(*claims, **changes):
    base = {"name": "s", "blocks": BLOCKS, "students_per_teacher": STUDENTS, "claims": list(claims), "augs": STRATEGIES}
    return {**base, "students": ["lenet", "alexnet"], "dataset": "cifar10", "test_set": "cifar10-test", **changes}


def judged(table, claim, **changes):
    results = table.frame() if isinstance(table, Table) else table
    found = {verdict.claim.id: verdict for verdict in judge(results, meta(claim, **changes), CLAIMS)}
    return found[claim]


def cells(table, role, model, teacher_aug, student_aug=None):
    """Values [blocks, students] of one arm, from the rows themselves."""
    rows = [row for row in table.rows if (row["role"], row["model"], row["teacher_aug"]) == (role, model, teacher_aug)]
    own = student_aug or ("" if role == "teacher" else "baseline")
    return np.array([row["value"] for row in rows if row["student_aug"] == own]).reshape(table.blocks, -1)


def both(means, **kwargs):
    return Table().students(means, **kwargs).students(means, model="alexnet", **kwargs)


EQUAL = dict.fromkeys(STRATEGIES, 0.65)
CLAIMED = {**EQUAL, "mixup": 0.62, "cutmix": 0.61}


# --- the claims as data ---------------------------------------------------------------------------------------------

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
}


def everything():
    """A study with every arm, metric and test set that some claim asks for."""
    table = Table()
    for metric, test_set in (
        *(("accuracy", name) for name in ("cifar10-test", "cinic10-imagenet-test")),
        *((name, "cifar10-test") for name in ("ece", "class_separability", "discrimination_corrected")),
        *((name, "cifar10h") for name in ("human_ce", "human_kl_off_diagonal")),
    ):
        kwargs = {"metric": metric, "test_set": test_set}
        table.teachers(dict.fromkeys(STRATEGIES, 0.5), **kwargs)
        for model in ("lenet", "alexnet"):
            table.students(dict.fromkeys(STRATEGIES, 0.5), model=model, **kwargs)
            table.add("control", model, "labels", 0.5, **kwargs)
    for own in STRATEGIES[1:]:
        for teacher in ("baseline", own):
            table.add("student", "lenet", teacher, 0.5, student_aug=own)
    return table


def test_every_claim_has_the_parts_and_margin_of_its_row():
    assert list(SPECIFIED) == IDS
    for verdict in judge(everything().frame(), meta(*IDS), CLAIMS):
        kind, parts, margin, unit, pairs = SPECIFIED[verdict.claim.id]
        claim = verdict.claim
        assert (claim.kind, len(verdict.parts), claim.margin, claim.unit) == (kind, parts, margin, unit)
        assert sum(part.pairs for part in verdict.parts) == pairs
        assert not [part.reason for part in verdict.parts if part.reason]
        assert verdict.outcome in OUTCOMES
        assert (verdict.contrast is not None) == (claim.id in ("2", "12", "14"))
        assert claim.variance == ("pooled" if claim.metric == "accuracy" and kind != "rank" else "separate")
        assert verdict.tests == (0 if kind == "rank" else 1 if claim.id == "2" else 13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "ratio"}, "kind 'ratio': it must be 'difference', 'equivalence' or 'rank'"),
        ({"variance": "equal"}, "variance 'equal': it must be 'pooled' or 'separate'"),
        ({"margin": 0}, "margin '0': it must be greater than 0"),
        ({"metrik": "ece"}, r"unknown key 'metrik' \(did you mean metric\?\); keys are id"),
        ({"kind": "rank", "contrast": True}, "contrast is the mean over parts that are differences"),
        ({"parts": [{"plus": {"role": "teacher"}}]}, "needs plus and minus"),
        (
            {"parts": [{"plus": {"role": "pupil"}, "minus": {"role": "teacher"}}]},
            "role 'pupil': it must be one of",
        ),
        ({"parts": [{"plus": {"role": "teacher", "teacher_aug": "$m"}, "minus": {"role": "teacher"}}]}, "no values"),
        (
            {"parts": [{"plus": {"role": "teacher"}, "minus": {"role": "teacher"}, "pairing": "twins"}]},
            "pairing 'twins': it",
        ),
    ],
)
def test_a_claims_file_that_is_wrong_is_refused_in_one_line(tmp_path, change, message):
    content = OmegaConf.to_container(OmegaConf.load(claims_module.CLAIMS))
    content["claims"] = [{**content["claims"][0], **change}]
    OmegaConf.save(content, tmp_path / "claims.yaml")
    with pytest.raises(ConfigError, match=message) as error:
        load_claims(tmp_path / "claims.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claims": ["16"]}, "names claim '16'; claims are 1, 2"),
        ({"margins": {"2": 0}}, "margin of claim 2 is 0.0"),
        ({"margins": {"77": 1}}, "names claim '77'"),
        ({"primary": ["77"]}, "names claim '77'"),
        ({"looks": 0}, "looks must be >= 1"),
        ({"claims": ["2", "2"]}, "listed once"),
        ({"test_set": None}, "'test_set' is missing"),
    ],
)
def test_a_study_that_names_what_is_not_there_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        judge(both(EQUAL).frame(), {**meta("1"), **changes}, CLAIMS)


# --- the words ------------------------------------------------------------------------------------------------------


def model_of(table, arms, model):
    """Responses [arms, blocks] in points of one model's students."""
    return 100 * np.array([cells(table, "student", model, aug).mean(axis=1) for aug in arms])


def additive(responses, weights):
    """A contrast's value, standard error and degrees of freedom by ordinary least squares on dummies."""
    arms, blocks = responses.shape
    arm, block = np.divmod(np.arange(responses.size), blocks)
    design = np.c_[np.eye(arms)[arm], np.eye(blocks)[block][:, 1:]]
    beta, _, rank, _ = np.linalg.lstsq(design, responses.ravel(), rcond=None)
    df = responses.size - rank
    variance = ((responses.ravel() - design @ beta) ** 2).sum() / df
    full = np.r_[weights, np.zeros(blocks - 1)]
    return full @ beta, np.sqrt(variance * full @ np.linalg.inv(design.T @ design) @ full), df


def test_supported_with_what_a_reader_needs():
    """Claim 2 is one planned contrast: the mean over strategies and architectures, in a model of all five arms."""
    table = both(CLAIMED)
    verdict = judged(table, "2")
    assert (verdict.outcome, verdict.negligible, verdict.is_primary) == ("supported", False, True)
    both_models = (model_of(table, STRATEGIES, "lenet") + model_of(table, STRATEGIES, "alexnet")) / 2
    value, se, df = additive(both_models, np.array([1, 0, 0, -0.5, -0.5]))
    whole = verdict.contrast
    assert (whole.estimate, whole.df, whole.method) == (pytest.approx(value), df, "one variance for all arms")
    assert df == (5 - 1) * (BLOCKS - 1)
    half = stats.t.isf(0.025, df) * se
    assert whole.ci95 == pytest.approx((value - half, value + half))
    assert whole.deciding == pytest.approx(whole.ci95)  # primary, the last look: the full level
    assert verdict.p == pytest.approx(2 * stats.t.sf(value / se, df))
    part = next(part for part in verdict.parts if part.label == "mixup lenet")
    value, se, df = additive(model_of(table, STRATEGIES, "lenet"), np.array([1, 0, 0, -1, 0]))
    assert (part.estimate, part.p) == pytest.approx((value, 2 * stats.t.sf(value / se, df)))
    a, b = (100 * cells(table, "student", "lenet", aug).mean(axis=1) for aug in ("baseline", "mixup"))
    assert (part.n_plus, part.n_minus, part.margin) == (5, 5, 0.5)
    assert (part.mean_plus, part.sd_minus) == pytest.approx((a.mean(), b.std(ddof=1)))
    assert part.printed == pytest.approx(1.9)
    assert [part.label for part in verdict.secondary][:2] == [
        "flip-crop lenet (shown too)",
        "flip-crop alexnet (shown too)",
    ]
    assert "no predictions on cifar10-test: intervals hold for these very test images" in verdict.warnings


def test_arms_of_unlike_scatter_are_judged_by_the_larger_p():
    table = Table().students({aug: mean for aug, mean in CLAIMED.items() if aug != "cutout"})
    table.students({"cutout": 0.65}, sd=0.05)
    verdict = judged(table, "2", students=["lenet"])
    a = 100 * cells(table, "student", "lenet", "baseline").mean(axis=1)
    b = 50 * (cells(table, "student", "lenet", "mixup") + cells(table, "student", "lenet", "cutmix")).mean(axis=1)
    _, se, df = additive(model_of(table, STRATEGIES, "lenet"), np.array([1, 0, 0, -0.5, -0.5]))
    equal = 2 * stats.t.sf((a.mean() - b.mean()) / se, df)
    assert equal > float(st.p_two_sided(st.welch_corrected(a, b)))
    assert verdict.contrast.p == pytest.approx(equal)
    assert any(text.startswith("the arms' s.d. differ by more than 3 times") for text in verdict.warnings)


def test_a_block_that_an_arm_lacks_goes_through_least_squares():
    table = Table().students(CLAIMED)
    frame = table.frame()
    verdict = judged(frame[~((frame["teacher_aug"] == "mixup") & (frame["block"] == 2))], "2", students=["lenet"])
    responses = model_of(table, STRATEGIES, "lenet")
    arm, block = np.divmod(np.arange(responses.size), BLOCKS)
    kept = ~((arm == 3) & (block == 2))
    design = np.c_[np.eye(5)[arm], np.eye(BLOCKS)[block][:, 1:]][kept]
    beta, *_ = np.linalg.lstsq(design, responses.ravel()[kept], rcond=None)
    assert verdict.contrast.estimate == pytest.approx(beta[0] - beta[3] / 2 - beta[4] / 2)
    assert verdict.contrast.df == kept.sum() - 9


def test_supported_and_negligible():
    verdict = judged(both({**EQUAL, "mixup": 0.647, "cutmix": 0.647}, sd=0.0002), "2", margins={"2": 1.0})
    assert (verdict.outcome, verdict.negligible, verdict.margin) == ("supported", True, 1.0)


def test_contradicted():
    assert judged(both({**EQUAL, "mixup": 0.68, "cutmix": 0.69}), "2").outcome == "contradicted"


def test_an_effect_as_large_as_the_margin_is_excluded():
    verdict = judged(both(EQUAL, sd=0.0008), "2")
    assert verdict.outcome == "excluded beyond the margin"
    assert verdict.contrast.ci95[0] < 0 < verdict.contrast.ci95[1] < 0.5
    assert verdict.detectable is None


def test_a_claim_that_needs_every_part_is_refuted_by_one():
    table = Table().teachers({**EQUAL, "mixup": 0.60, "cutmix": 0.66})
    verdict = judged(table, "1")
    assert (verdict.outcome, verdict.refuted) == ("contradicted in part", ("mixup",))
    assert {part.label: part.outcome for part in verdict.parts} == {"mixup": "contradicted", "cutmix": "supported"}
    refuting = verdict.parts[0]
    assert verdict.p == pytest.approx(2 * 2 * refuting.below)  # two sides, two parts


def test_a_group_is_judged_by_its_mean_whatever_its_parts_say():
    table = Table().students(CLAIMED).students({**EQUAL, "mixup": 0.645, "cutmix": 0.66}, model="alexnet")
    verdict = judged(table, "2")
    assert verdict.outcome == "supported"
    assert {part.label: part.outcome for part in verdict.parts}["cutmix alexnet"] == "contradicted"


def test_an_open_claim_says_what_could_have_been_found():
    """80 % power by the noncentral t, at the claim's own level; twice the blocks have their own degrees of freedom."""
    table = both(EQUAL, sd=0.02)
    verdict = next(v for v in judge(table.frame(), meta("2"), CLAIMS, hours=0.5) if v.claim.id == "2")
    assert verdict.outcome == "open"
    found = verdict.detectable
    responses = (model_of(table, STRATEGIES, "lenet") + model_of(table, STRATEGIES, "alexnet")) / 2
    _, se, df = additive(responses, np.array([1, 0, 0, -0.5, -0.5]))
    assert stats.nct.sf(stats.t.isf(0.025, df), df, found.now / se) == pytest.approx(0.8, abs=1e-4)
    se, df = se / 2**0.5, 4 * (2 * BLOCKS - 1)
    assert stats.nct.sf(stats.t.isf(0.025, df), df, found.twice / se) == pytest.approx(0.8, abs=1e-4)
    assert (found.blocks, found.hours) == (5, 5.0)


def test_rank_claims_are_descriptive_below_eight_strategies():
    means = {aug: 0.60 - 0.01 * i for i, aug in enumerate(STRATEGIES)}
    table = both(means).teachers({aug: 3.0 + i for i, aug in enumerate(STRATEGIES)}, metric="class_separability")
    table.teachers(dict.fromkeys(STRATEGIES, 0.9))
    verdict = judged(table, "6")
    assert verdict.outcome == "descriptive"
    assert np.isnan(verdict.p)
    low, high = verdict.parts[0].ci95_blocks
    assert low <= high <= 1.0
    assert [part.estimate for part in verdict.parts] == pytest.approx([1.0, 1.0])
    assert verdict.parts[0].p == pytest.approx(1 / 60)
    assert [part.label for part in verdict.secondary] == [
        "lenet (at equal teacher accuracy)",
        "alexnet (at equal teacher accuracy)",
    ]


def test_rank_claims_are_tested_over_eight_strategies():
    augs = [*STRATEGIES, "flip-crop+cutout", "flip-crop+mixup", "flip-crop+cutmix"]
    means = {aug: 0.60 - 0.01 * i for i, aug in enumerate(augs)}
    table = both(means).teachers({aug: 0.2 + 0.01 * i for i, aug in enumerate(augs)}, metric="discrimination_corrected")
    accuracy = dict(zip(augs, [0.85, 0.94, 0.88, 0.87, 0.95, 0.90, 0.93, 0.91], strict=True))
    table.teachers(accuracy, sd=0.0001)
    verdict = judged(table, "13", augs=augs)
    assert verdict.outcome == "supported"
    assert verdict.p == pytest.approx(2 / 40320)
    partial = spearman(range(8), list(range(8))[::-1], given=list(accuracy.values()))
    assert verdict.secondary[0].estimate == pytest.approx(-partial.rho)
    short = table.frame()
    short = short[~((short["teacher_aug"] == "cutmix") & (short["role"] == "student"))]
    assert judged(short, "13", augs=augs).parts[0].reason == "7 of 8 strategies have values"


def test_rank_claims_say_what_they_lack():
    means = {aug: 0.60 - 0.01 * i for i, aug in enumerate(STRATEGIES)}
    table = both(means).teachers({aug: 3.0 + i for i, aug in enumerate(STRATEGIES)}, metric="class_separability")
    frame = table.frame()
    half = judged(frame[(frame["block"] < 2) | (frame["teacher_aug"] != "cutout")], "6")
    assert "interim: 2 of 5 blocks in the smallest arm" in half.warnings
    dead = (frame["model"] == "lenet") & (frame["teacher_aug"] == "cutmix") & (frame["block"] < 3)
    part, other = judged(with_status(frame, dead, "collapsed"), "6").parts
    assert (part.n_plus, other.n_plus) == (4, 5)
    assert "left out: student lenet of cutmix" in part.warnings


def test_what_a_study_does_not_ask_says_which_study_does():
    verdicts = {verdict.claim.id: verdict for verdict in judge(both(EQUAL).frame(), meta("2"), CLAIMS)}
    assert list(verdicts) == IDS
    assert verdicts["4"].outcome == "not tested by this study"
    assert verdicts["4"].tested_by == ("paper-mnist",)
    assert verdicts["2"].tests == 1


def test_joined_studies_answer_what_either_asks():
    mnist = Table(test_set="mnist-test").students({"baseline": 0.988, "mixup": 0.98, "cutmix": 0.98}, sd=0.0003)
    other = meta("4", dataset="mnist", test_set="mnist-test", augs=["baseline", "mixup", "cutmix"], students=["lenet"])
    joined = join([judge(both(CLAIMED).frame(), meta("2"), CLAIMS), judge(mnist.frame(), other, CLAIMS)])
    words = {verdict.claim.id: verdict.outcome for verdict in joined}
    assert [verdict.claim.id for verdict in joined] == IDS
    assert (words["2"], words["4"], words["10"]) == ("supported", "supported", "not tested by this study")


# --- level, family, look --------------------------------------------------------------------------------------------


def test_holm_counts_the_secondary_claims_that_can_be_tested():
    """Claim 2 is primary: it has the full level, and the others share theirs without it."""
    table = everything()
    verdicts = {v.claim.id: v for v in judge(table.frame(), meta("1", "2", "6", "12"), CLAIMS)}
    assert [verdicts[claim].tests for claim in ("1", "2", "12")] == [2, 1, 2]
    assert verdicts["2"].level == pytest.approx(0.05)
    first, second = sorted((verdicts["1"], verdicts["12"]), key=lambda verdict: verdict.p)
    assert (first.step, first.level) == (1, pytest.approx(0.025))
    assert (second.step, second.level) == ((2, pytest.approx(0.05)) if first.p <= 0.025 else (1, first.level))
    none = {v.claim.id: v for v in judge(table.frame(), meta("1", "2", "6", "12", primary=[]), CLAIMS)}
    assert [none[claim].tests for claim in ("1", "2", "12")] == [3, 3, 3]


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


# --- pairing --------------------------------------------------------------------------------------------------------


def test_claim_8_pairs_students_with_their_own_teacher_and_averages_over_strategies():
    table = Table().teachers(dict.fromkeys(STRATEGIES, 0.06), metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.02), metric="ece").add("control", "lenet", "labels", 0.02, metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.09), model="alexnet", metric="ece")
    verdict = judged(table, "8")
    assert verdict.outcome == "supported"
    own, control = verdict.parts
    differences = [
        cells(table, "teacher", "resnet18", aug)[:, 0] - cells(table, "student", "lenet", aug).mean(axis=1)
        for aug in STRATEGIES
    ]
    reference = stats.ttest_1samp(np.mean(differences, axis=0), 0)
    assert own.p == pytest.approx(reference.pvalue)
    assert own.ci95 == pytest.approx(tuple(reference.confidence_interval()))
    assert (own.pairs, own.n_plus, control.pairs) == (True, 5, False)
    labels = cells(table, "control", "lenet", "labels").mean(axis=1)
    expected = st.welch_corrected(cells(table, "teacher", "resnet18", "baseline")[:, 0], labels)
    assert control.p == pytest.approx(float(st.p_two_sided(expected)))
    assert verdict.secondary[0].outcome == "contradicted"


def test_claim_8_leaves_out_a_block_that_lacks_one_strategy():
    table = Table().teachers(dict.fromkeys(STRATEGIES, 0.06), metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.02), metric="ece").add("control", "lenet", "labels", 0.02, metric="ece")
    frame = table.frame()
    verdict = judged(frame[~((frame["block"] == 3) & (frame["teacher_aug"] == "mixup"))], "8")
    assert verdict.parts[0].n_plus == 4
    assert "interim: 4 of 5 blocks in the smallest arm" in verdict.warnings


def test_claim_10_pairs_by_student_seed_since_both_arms_have_the_same_teacher():
    table = Table().students(dict.fromkeys(STRATEGIES, 0.65))
    for own in STRATEGIES[1:]:
        for teacher in ("baseline", own):
            table.add("student", "lenet", teacher, 0.648, student_aug=own)
    verdict = judged(table, "10")
    assert verdict.outcome == "supported"
    parts = {part.label: part for part in verdict.parts}
    for label, teacher in (("mixup (baseline teacher)", "baseline"), ("mixup (matching teacher)", "mixup")):
        augmented, plain = (100 * cells(table, "student", "lenet", teacher, own) for own in ("mixup", "baseline"))
        reference = stats.ttest_rel(augmented.mean(axis=1), plain.mean(axis=1))
        assert parts[label].p == pytest.approx(reference.pvalue)
    assert len(verdict.secondary) == 4


def test_claim_10_is_contradicted_by_one_strategy_that_changes_much():
    table = Table().students(dict.fromkeys(STRATEGIES, 0.65))
    for own in STRATEGIES[1:]:
        for teacher in ("baseline", own):
            mean = 0.60 if (own, teacher) == ("cutmix", "baseline") else 0.65
            table.add("student", "lenet", teacher, mean, student_aug=own)
    verdict = judged(table, "10")
    assert verdict.outcome == "contradicted"
    assert verdict.refuted == ("cutmix (baseline teacher)",)


def test_claim_11_is_not_paired_since_a_seed_is_all_that_a_student_shares_with_its_control():
    table = Table()
    for model in ("lenet", "alexnet"):
        table.students(dict.fromkeys(STRATEGIES, 0.66), model=model).add("control", model, "labels", 0.63)
    verdict = judged(table, "11")
    assert verdict.outcome == "supported"
    control = 100 * cells(table, "control", "lenet", "labels").mean(axis=1)
    responses = np.vstack([model_of(table, STRATEGIES, "lenet"), control])
    value, se, df = additive(responses, np.array([1, 0, 0, 0, 0, -1]))
    assert verdict.parts[0].p == pytest.approx(2 * stats.t.sf(value / se, df))


def test_claim_5_has_a_margin_that_is_a_share_of_the_baseline():
    means = {aug: (0.30 if aug == "baseline" else 0.31) for aug in STRATEGIES}
    table = Table().teachers(means, metric="discrimination_corrected", sd=0.0005)
    verdict = judged(table, "5")
    assert (verdict.outcome, verdict.negligible) == ("supported", True)
    part = verdict.parts[0]
    base, other = (cells(table, "teacher", "resnet18", aug)[:, 0] for aug in ("baseline", "flip-crop"))
    assert part.margin == pytest.approx(0.05 * base.mean())
    assert part.within == pytest.approx(float(st.p_below(st.welch_corrected(other, 1.05 * base))))


def test_claim_3_is_shown_at_equal_accuracy_in_distribution_too():
    """What is lost out of distribution follows from what is lost in it: decided on the loss, explained beside it."""
    table = Table()
    for model in ("lenet", "alexnet"):
        for aug, mean in CLAIMED.items():
            table.add("student", model, aug, mean, sd=0.006)
    rows = []
    for row in table.rows:
        noise = 0.0005 * table.rng.normal()
        rows.append({**row, "test_set": "cinic10-imagenet-test", "value": 0.7 * row["value"] + noise})
    table.rows += rows
    verdict = judged(table, "3")
    assert verdict.outcome == "supported"
    adjusted = verdict.secondary[0]
    assert adjusted.label == "mixup lenet (at equal accuracy in distribution)"
    assert abs(adjusted.estimate) < 0.2 < 1.5 < verdict.parts[0].estimate
    assert adjusted.outcome in ("open", "excluded beyond the margin")


# --- what is missing ------------------------------------------------------------------------------------------------


def with_status(frame, mask, status):
    return frame.assign(
        status=frame["status"].mask(mask, status), value=frame["value"].mask(mask & (status != "collapsed"))
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


def test_a_half_finished_study_is_judged_on_what_is_there_and_says_so():
    frame = both(CLAIMED).frame()
    verdict = judged(with_status(frame, frame["block"] >= 3, "missing"), "2")
    assert "interim: 3 of 5 blocks in the smallest arm" in verdict.warnings
    assert verdict.parts[0].n_plus == 3
    one = judged(with_status(frame, frame["block"] >= 1, "missing"), "2")
    assert one.contrast.reason.startswith("fewer than 2 blocks (1 and 1)")
    assert judged(frame[:0], "2").contrast.reason.startswith("no accuracy on cifar10-test of student lenet")


def test_one_part_without_data_keeps_the_claim_undecided_however_clear_the_others_are():
    frame = both(CLAIMED).frame()
    verdict = judged(frame[~((frame["model"] == "alexnet") & (frame["teacher_aug"] == "cutmix"))], "2")
    assert verdict.outcome == "open"
    assert verdict.p == 1.0
    assert verdict.contrast.reason == "no accuracy on cifar10-test of student alexnet of cutmix"


def test_blocks_without_any_scatter_are_no_evidence():
    verdict = judged(both(CLAIMED, sd=0.0), "2")
    assert verdict.outcome == "open"
    assert verdict.contrast.reason.startswith("the blocks do not differ at all")
    assert verdict.detectable is None


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


def test_results_read_back_from_csv_are_judged_alike(tmp_path):
    frame = everything().frame()
    frame.to_csv(tmp_path / "results.csv", index=False)
    written, read = (judge(table, meta(*IDS), CLAIMS) for table in (frame, pd.read_csv(tmp_path / "results.csv")))
    assert [verdict.outcome for verdict in written] == [verdict.outcome for verdict in read]
    assert [verdict.p for verdict in written] == pytest.approx([verdict.p for verdict in read], nan_ok=True)


# --- other designs --------------------------------------------------------------------------------------------------


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


def test_arms_in_unlike_precision_are_said():
    frame = both(CLAIMED).frame()
    frame.loc[frame["teacher_aug"] == "mixup", "precision"] = "bf16"
    warning = next(text for text in judged(frame, "2").warnings if text.startswith("arms differ in precision"))
    assert "student lenet of mixup bf16" in warning


def test_claims_that_exclude_each_other_say_so_when_both_are_supported():
    means = {**dict.fromkeys(STRATEGIES, 0.030), "mixup": 0.027, "cutmix": 0.027}
    table = Table()
    for model in ("lenet", "alexnet"):
        table.students(means, model=model, metric="ece", sd=0.0002)
    verdicts = {verdict.claim.id: verdict for verdict in judge(table.frame(), meta("7b", "9"), CLAIMS)}
    assert (verdicts["7b"].outcome, verdicts["7b"].negligible, verdicts["9"].outcome) == (
        "supported",
        True,
        "supported",
    )
    assert (
        "claim 9, also supported, excludes it: the difference is real and within the margin" in verdicts["7b"].warnings
    )


def test_the_images_part_widens_the_interval_where_predictions_are_given():
    """Images on which only one arm fails, in every block alike: blocks agree, other images might not."""
    strategies = ["baseline", "mixup", "cutmix"]
    table = Table(test_set="mnist-test").students({"baseline": 0.988, "mixup": 0.98, "cutmix": 0.98}, sd=0.0003)
    study = meta("4", dataset="mnist", test_set="mnist-test", students=["lenet"], augs=strategies)
    shown = {row["run"]: row for row in table.rows}
    hard = {aug: np.random.default_rng(i).permutation(1000) for i, aug in enumerate(strategies)}
    asked = []

    def predictions(run, test_set):
        asked.append((run, test_set))
        return hard[shown[run]["teacher_aug"]] < 1000 * shown[run]["value"]

    def ask(given):
        return next(v for v in judge(table.frame(), study, CLAIMS, predictions=given) if v.claim.id == "4")

    verdict = ask(predictions)
    part = verdict.parts[0]
    correct = {
        aug: np.array([[predictions(f"student-lenet-{aug}-baseline-{b}-{2 * b + k}", "") for k in (0, 1)]
                       for b in range(BLOCKS)]).mean(axis=1) * 100.0
        for aug in ("baseline", "mixup")
    }  # fmt: skip
    n, difference = 1000, correct["baseline"].mean(axis=0) - correct["mixup"].mean(axis=0)
    noise = 0.0
    for values in correct.values():
        left = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        noise += (left**2).sum() / (BLOCKS - 1) / (n - 1)
    assert part.image_variance == pytest.approx(difference.var(ddof=1) / n - noise / BLOCKS / n)
    assert part.image_variance > 0.1
    low, high = part.ci95_blocks
    assert part.ci95[0] < low < part.estimate < high < part.ci95[1]
    without = ask(lambda *_: None)
    assert without.parts[0].ci95 == without.parts[0].ci95_blocks == pytest.approx((low, high))
    assert "no predictions on mnist-test: intervals hold for these very test images" in without.warnings


def test_a_calibration_error_is_shown_with_its_floor_over_the_runs_compared():
    table = Table().teachers({"baseline": 0.06, "mixup": 0.03, "cutmix": 0.03, "cutout": 0.9}, metric="ece")
    floor = {"baseline": 0.02, "mixup": 0.01, "cutmix": 0.015}
    found = judge(table.frame(), meta("7a"), CLAIMS, floors=lambda run, _: floor[run.split("-")[2]])
    assert next(v for v in found if v.claim.id == "7a").ece_floor == (0.01, 0.02)


def test_the_probability_of_an_effect_beyond_the_margin_is_that_of_a_normal_prior():
    verdict = judged(both({**EQUAL, "mixup": 0.645, "cutmix": 0.645}, sd=0.01), "2")
    part = verdict.contrast
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 2, 400_000)
    weights = stats.t.pdf((part.estimate - effects) / float(part.contrast.se), part.df)
    assert part.probability == pytest.approx(weights[effects > 0.5].sum() / weights.sum(), abs=0.01)
    assert np.isnan(judged(Table().teachers(EQUAL, metric="ece"), "7a").parts[0].probability)


# --- the paper's own numbers ----------------------------------------------------------------------------------------


def test_the_packaged_numbers_are_those_of_the_paper():
    published = load_published()
    assert len(published) == 293
    assert set(published["table"]) == {"1", "2", "3", "4", "5", "6", "F5", "F6"}
    assert printed_numbers(published)["student", "lenet", "mixup", "baseline", "accuracy", "mnist-test"] == 0.9886


def printed(claim):
    return agrees_with_print(CLAIMS[claim], CLAIMS, printed_numbers(load_published()))


def test_whether_print_agrees_is_computed_and_is_what_the_claims_file_says():
    words = {claim: printed(claim).outcome for claim in IDS}
    assert [claim for claim, word in words.items() if word == "no"] == ["4", "12"]
    assert [claim for claim, word in words.items() if word == "not printed"] == ["7b", "8", "9", "11", "15"]
    assert words["10"] == "not clearly"
    assert {words[claim] for claim in ("1", "2", "3", "5", "6", "7a")} == {"yes"}
    assert dict(printed("4").parts) == pytest.approx({"mixup": -0.18, "cutmix": 0.07})
    assert "2.3 pt" in printed("10").explanation
    against = {label for label, value in printed("12").parts if value < 0}
    assert against == {"mixup lenet", "cutmix lenet"}


def test_what_print_does_not_settle_of_the_last_claims():
    """LeNet of flip-crop 0.631 < 0.633 of mixup; D and AlexNet's accuracy rank with +0.1: both below the margin."""
    assert (printed("13").outcome, printed("14").outcome) == ("not clearly", "not clearly")
    assert dict(printed("14").parts)["flip-crop mixup lenet"] == pytest.approx(-0.2)
    assert dict(printed("13").parts)["alexnet"] == pytest.approx(-0.1)


def test_a_changed_printed_number_changes_the_answer():
    numbers = printed_numbers(load_published())
    numbers["student", "lenet", "mixup", "baseline", "accuracy", "mnist-test"] = 0.98
    assert agrees_with_print(CLAIMS["4"], CLAIMS, numbers).outcome == "yes"


# --- any contrast ---------------------------------------------------------------------------------------------------


def test_compare_pairs_where_pairing_is_structural():
    student, teacher = Arm("student", "lenet", "mixup", "baseline"), Arm("teacher", "resnet18", "mixup")
    assert pairing(student, replace(student, student_aug="mixup")) == "student-seed"
    assert pairing(student, Arm("control", "lenet", "labels", "baseline")) == "none"
    assert pairing(student, Arm("control", "alexnet", "labels", "baseline")) == "none"
    assert pairing(teacher, student) == "own-teacher"
    assert pairing(teacher, replace(student, teacher_aug="cutmix")) == "none"
    assert pairing(student, replace(student, teacher_aug="cutmix")) == "none"
    assert pairing(teacher, replace(teacher, teacher_aug="cutmix")) == "none"
    assert pairing(student, replace(student, teacher_aug="cutmix"), force=True) == "student-seed"


def test_compare_gives_any_contrast_and_each_class():
    table = Table().students(CLAIMED)
    for name, shift in {"cat": 0.05, "dog": 0.0}.items():
        table.students({"baseline": 0.5 + shift, "mixup": 0.5}, metric=f"class_accuracy[{name}]")
    a, b = {"role": "student", "teacher_aug": "baseline"}, {"role": "student", "teacher_aug": "mixup"}
    found = compare(table.frame(), a, b, "accuracy", "cifar10-test")
    rows = [row for row in table.rows if row["metric"] == "accuracy"]
    means = [
        np.array([row["value"] for row in rows if row["teacher_aug"] == aug]).reshape(BLOCKS, -1).mean(axis=1)
        for aug in ("baseline", "mixup")
    ]
    reference = stats.ttest_ind(*means, equal_var=False)
    assert (found.overall.p, found.overall.pairs) == (pytest.approx(reference.pvalue), False)
    assert [part.label for part in found.classes] == ["cat", "dog"]
    p = [part.p for part in found.classes]
    assert found.p_holm == pytest.approx((2 * p[0], max(2 * p[0], p[1])))
    forced = compare(table.frame(), a, b, "accuracy", "cifar10-test", paired=True)
    assert forced.overall.p == pytest.approx(stats.ttest_rel(*means).pvalue)
    assert compare(table.frame(), a, b, "class_accuracy[cat]", "cifar10-test").classes == ()


def test_compare_of_two_cells_of_a_grid():
    frame = Table().students({"mixup": 0.62}).frame().assign(variant="")
    hot = Table(seed=1).students({"mixup": 0.60}).frame().assign(variant="T=20")
    results = pd.concat([frame, hot.assign(run=hot["run"] + "-hot")])
    found = compare(results, {"variant": ""}, {"variant": "T=20"}, "accuracy", "cifar10-test")
    assert found.overall.estimate == pytest.approx(0.02, abs=0.005)
    assert found.overall.pairs


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ({"rôle": "student"}, "--a: no column 'rôle'; columns are role"),
        ({"model": "vgg"}, "--a: no run has model=vgg; there are alexnet, lenet"),
        ({"teacher_aug": "mixup"}, "--a names more than one arm: model is alexnet, lenet; add model=alexnet"),
    ],
)
def test_compare_refuses_what_is_not_one_arm(a, message):
    with pytest.raises(ConfigError, match=message):
        compare(both(CLAIMED).frame(), a, {"model": "lenet", "teacher_aug": "cutmix"}, "accuracy", "cifar10-test")


def test_compare_says_why_there_is_no_test():
    frame = Table().students(CLAIMED).frame()
    a, b = {"teacher_aug": "baseline"}, {"teacher_aug": "mixup"}
    assert "no f1 on cifar10-test" in compare(frame, a, b, "f1", "cifar10-test").overall.reason
    one = compare(frame[frame["block"] == 0], a, b, "accuracy", "cifar10-test").overall
    assert one.reason.startswith("fewer than 2 blocks (1 and 1)")
    assert one.estimate == pytest.approx(0.03, abs=0.01)


def test_block_means_are_means_over_students():
    table = Table().students({"baseline": 0.5})
    values = Runs(table.frame()).values(Arm("student", "lenet", "baseline", "baseline"), "accuracy", "cifar10-test")
    assert list(block_means(values).values()) == pytest.approx(
        cells(table, "student", "lenet", "baseline").mean(axis=1)
    )
