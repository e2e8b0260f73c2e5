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
from augdistill.claims.printed import agrees_with_print, load_published, printed_numbers
from augdistill.claims.samples import Runs, block_means
from augdistill.claims.schema import Arm, load_claims
from augdistill.stats.decisions import WORDS
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
    "10": ("equivalence", 8, 1.0, "pt", 4),
    "11": ("difference", 2, 0.5, "pt", 2),
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
        assert verdict.word in WORDS
        assert verdict.family == (0 if kind == "rank" else 14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "ratio"}, "kind 'ratio': it must be 'difference', 'equivalence' or 'rank'"),
        ({"margin": 0}, "margin '0': it must be greater than 0"),
        ({"metrik": "ece"}, r"unknown key 'metrik' \(did you mean metric\?\); keys are id"),
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
        ({"looks": 0}, "looks must be >= 1"),
        ({"claims": ["2", "2"]}, "listed once"),
        ({"test_set": None}, "'test_set' is missing"),
    ],
)
def test_a_study_that_names_what_is_not_there_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        judge(both(EQUAL).frame(), {**meta("1"), **changes}, CLAIMS)


# --- the words ------------------------------------------------------------------------------------------------------


def test_supported_with_what_a_reader_needs():
    table = both(CLAIMED)
    verdict = judged(table, "2")
    assert (verdict.word, verdict.negligible) == ("supported", False)
    part = next(part for part in verdict.parts if part.label == "mixup lenet")
    a, b = (100 * cells(table, "student", "lenet", aug).mean(axis=1) for aug in ("baseline", "mixup"))
    reference = stats.ttest_ind(a, b, equal_var=False)
    assert part.estimate == pytest.approx(a.mean() - b.mean())
    assert part.ci95 == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert part.deciding == pytest.approx(tuple(reference.confidence_interval(1 - 0.025)))
    assert part.p == pytest.approx(reference.pvalue)
    assert (part.n_plus, part.n_minus, part.margin) == (5, 5, 0.5)
    assert (part.mean_plus, part.sd_minus) == pytest.approx((a.mean(), b.std(ddof=1)))
    assert verdict.p == verdict.p_holm == pytest.approx(max(part.p for part in verdict.parts))
    assert [part.label for part in verdict.beside][:2] == [
        "flip-crop lenet (shown too)",
        "flip-crop alexnet (shown too)",
    ]
    assert verdict.line.startswith("supported: all 4 parts above 0, nearest +")
    assert verdict.warnings == ()


def test_supported_and_negligible():
    verdict = judged(both({**EQUAL, "mixup": 0.647, "cutmix": 0.647}, sd=0.0002), "2", margins={"2": 1.0})
    assert (verdict.word, verdict.negligible, verdict.margin) == ("supported", True, 1.0)
    assert verdict.line.startswith("supported, negligible: ")


def test_contradicted_opposite():
    verdict = judged(both({**EQUAL, "mixup": 0.68, "cutmix": 0.69}), "2")
    assert verdict.word == "contradicted: opposite"


def test_contradicted_negligible():
    verdict = judged(both(EQUAL, sd=0.0005), "2")
    assert verdict.word == "contradicted: negligible"


def test_mixed_lists_its_parts():
    table = Table().students(CLAIMED).students({**EQUAL, "mixup": 0.68, "cutmix": 0.69}, model="alexnet")
    verdict = judged(table, "2")
    assert verdict.word == "mixed"
    words = {part.label: part.word for part in verdict.parts}
    assert words == {
        "mixup lenet": "supported",
        "cutmix lenet": "supported",
        "mixup alexnet": "contradicted: opposite",
        "cutmix alexnet": "contradicted: opposite",
    }
    assert "as claimed: mixup lenet +" in verdict.line
    assert "the opposite: mixup alexnet -" in verdict.line


def test_undecided_says_how_many_blocks_the_margin_needs():
    verdict = judged(both(EQUAL, sd=0.02), "2")
    assert verdict.word == "undecided"
    assert verdict.blocks_needed > BLOCKS
    assert f"about {verdict.blocks_needed} blocks would be enough for the margin, now 5" in verdict.line


def test_blocks_needed_do_not_depend_on_the_effect_but_on_scatter_margin_and_look():
    needed = judged(both(EQUAL, sd=0.02), "2").blocks_needed
    assert judged(both({**EQUAL, "mixup": 0.649, "cutmix": 0.66}, sd=0.02), "2").blocks_needed == needed
    assert judged(both(EQUAL, sd=0.01), "2").blocks_needed < needed
    assert judged(both(EQUAL, sd=0.02), "2", margins={"2": 2.0}).blocks_needed < needed
    assert judged(both(EQUAL, sd=0.02), "2", looks=3).blocks_needed > needed


def test_rank_claims_are_descriptive_below_eight_strategies():
    means = {aug: 0.60 - 0.01 * i for i, aug in enumerate(STRATEGIES)}
    table = both(means).teachers({aug: 3.0 + i for i, aug in enumerate(STRATEGIES)}, metric="class_separability")
    table.teachers(dict.fromkeys(STRATEGIES, 0.9))
    verdict = judged(table, "6")
    assert verdict.word == "descriptive"
    assert np.isnan(verdict.p_holm)
    assert [part.estimate for part in verdict.parts] == pytest.approx([1.0, 1.0])
    assert verdict.parts[0].p == pytest.approx(1 / 60)
    assert (
        verdict.line
        == "descriptive: 5 strategies, a test needs 8; lenet rho -1.00 (p 0.017), alexnet rho -1.00 (p 0.017)"
    )
    assert [part.label for part in verdict.beside] == [
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
    assert verdict.word == "supported"
    assert verdict.p == pytest.approx(2 / 40320)
    partial = spearman(range(8), list(range(8))[::-1], given=list(accuracy.values()))
    assert verdict.beside[0].estimate == pytest.approx(-partial.rho)
    short = table.frame()
    short = short[~((short["teacher_aug"] == "cutmix") & (short["role"] == "student"))]
    assert judged(short, "13", augs=augs).line.startswith(
        "undecided: lenet: 7 of 8 strategies have values (and 1 more)"
    )


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
    assert verdicts["4"].word == "not tested by this study"
    assert verdicts["4"].line == "not tested by this study; study=paper-mnist tests it"
    assert verdicts["2"].family == 1


def test_joined_studies_answer_what_either_asks():
    mnist = Table(test_set="mnist-test").students({"baseline": 0.988, "mixup": 0.98, "cutmix": 0.98}, sd=0.0003)
    other = meta("4", dataset="mnist", test_set="mnist-test", augs=["baseline", "mixup", "cutmix"], students=["lenet"])
    joined = join([judge(both(CLAIMED).frame(), meta("2"), CLAIMS), judge(mnist.frame(), other, CLAIMS)])
    words = {verdict.claim.id: verdict.word for verdict in joined}
    assert [verdict.claim.id for verdict in joined] == IDS
    assert (words["2"], words["4"], words["10"]) == ("supported", "supported", "not tested by this study")


# --- level, family, look --------------------------------------------------------------------------------------------


def test_holm_counts_the_claims_of_the_family_that_can_be_tested():
    table = everything()
    family = judge(table.frame(), meta("1", "2", "6", "12"), CLAIMS)
    tested = [verdict for verdict in family if verdict.claim.id in ("1", "2", "12")]
    assert {verdict.family for verdict in tested} == {3}
    alone = {claim: judged(table, claim) for claim in ("1", "2", "12")}
    least = min(alone.values(), key=lambda verdict: verdict.p)
    for verdict in tested:
        assert verdict.p == pytest.approx(alone[verdict.claim.id].p)
        if verdict.claim.id == least.claim.id:
            assert verdict.p_holm == pytest.approx(min(1, 3 * least.p))


def test_later_looks_are_tested_at_half_the_level_of_the_one_before():
    verdicts = [judged(both(CLAIMED), "2", looks=look) for look in (1, 2, 3)]
    assert [verdict.look_level for verdict in verdicts] == [0.025, 0.0125, 0.00625]
    widths = [verdict.parts[0].deciding[1] - verdict.parts[0].deciding[0] for verdict in verdicts]
    assert widths == sorted(widths)
    assert "(look 3)" in verdicts[2].line


# --- pairing --------------------------------------------------------------------------------------------------------


def test_claim_8_pairs_students_with_their_own_teacher_and_averages_over_strategies():
    table = Table().teachers(dict.fromkeys(STRATEGIES, 0.06), metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.02), metric="ece").add("control", "lenet", "labels", 0.02, metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.09), model="alexnet", metric="ece")
    verdict = judged(table, "8")
    assert verdict.word == "supported"
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
    reference = stats.ttest_ind(cells(table, "teacher", "resnet18", "baseline")[:, 0], labels, equal_var=False)
    assert control.p == pytest.approx(reference.pvalue)
    assert verdict.beside[0].word == "contradicted: opposite"


def test_claim_8_leaves_out_a_block_that_lacks_one_strategy():
    table = Table().teachers(dict.fromkeys(STRATEGIES, 0.06), metric="ece")
    table.students(dict.fromkeys(STRATEGIES, 0.02), metric="ece").add("control", "lenet", "labels", 0.02, metric="ece")
    frame = table.frame()
    verdict = judged(frame[~((frame["block"] == 3) & (frame["teacher_aug"] == "mixup"))], "8")
    assert verdict.parts[0].n_plus == 4
    assert "interim: 4 of 5 blocks in the smallest arm" in verdict.warnings


def test_claim_10_pairs_by_student_seed_for_the_baseline_teacher_and_not_for_the_matching_one():
    table = Table().students(dict.fromkeys(STRATEGIES, 0.65))
    for own in STRATEGIES[1:]:
        for teacher in ("baseline", own):
            table.add("student", "lenet", teacher, 0.648, student_aug=own)
    verdict = judged(table, "10")
    assert verdict.word == "supported"
    parts = {part.label: part for part in verdict.parts}
    plain = 100 * cells(table, "student", "lenet", "baseline")
    augmented = 100 * cells(table, "student", "lenet", "baseline", "mixup")
    assert parts["mixup (baseline teacher)"].p == pytest.approx(
        stats.ttest_rel(augmented.mean(axis=1), plain.mean(axis=1)).pvalue
    )
    matching = 100 * cells(table, "student", "lenet", "mixup", "mixup").mean(axis=1)
    own = 100 * cells(table, "student", "lenet", "mixup").mean(axis=1)
    reference = stats.ttest_ind(matching, own, equal_var=False)
    assert parts["mixup (matching teacher)"].p == pytest.approx(reference.pvalue)
    assert len(verdict.beside) == 4


def test_claim_10_is_contradicted_by_one_strategy_that_changes_much():
    table = Table().students(dict.fromkeys(STRATEGIES, 0.65))
    for own in STRATEGIES[1:]:
        for teacher in ("baseline", own):
            mean = 0.60 if (own, teacher) == ("cutmix", "baseline") else 0.65
            table.add("student", "lenet", teacher, mean, student_aug=own)
    verdict = judged(table, "10")
    assert verdict.word == "contradicted: opposite"
    assert verdict.line.startswith("contradicted: opposite: cutmix (baseline teacher) -")


def test_claim_11_pairs_with_the_control_of_the_same_seeds_and_uses_only_seeds_that_both_have():
    table = Table()
    for model in ("lenet", "alexnet"):
        table.students({"baseline": 0.66}, model=model).add("control", model, "labels", 0.63)
    frame = table.frame()
    without = frame[~((frame["role"] == "control") & (frame["student_seed"] == 4))]
    verdict = judged(without, "11")
    assert verdict.word == "supported"
    taught, control = (
        100 * cells(table, *arm) for arm in (("student", "lenet", "baseline"), ("control", "lenet", "labels"))
    )
    differences = (taught - control).mean(axis=1)
    differences[2] = taught[2, 1] - control[2, 1]
    assert verdict.parts[0].p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


def test_claim_5_has_a_margin_that_is_a_share_of_the_baseline():
    means = {aug: (0.30 if aug == "baseline" else 0.31) for aug in STRATEGIES}
    table = Table().teachers(means, metric="discrimination_corrected", sd=0.0005)
    verdict = judged(table, "5")
    assert (verdict.word, verdict.negligible) == ("supported", True)
    part = verdict.parts[0]
    base, other = (cells(table, "teacher", "resnet18", aug)[:, 0] for aug in ("baseline", "flip-crop"))
    assert part.margin == pytest.approx(0.05 * base.mean())
    upper = stats.ttest_ind(other, 1.05 * base, equal_var=False, alternative="less").pvalue
    assert part.within == pytest.approx(upper)


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
    assert verdict.word == "supported"
    adjusted = verdict.beside[0]
    assert adjusted.label == "mixup lenet (at equal accuracy in distribution)"
    assert abs(adjusted.estimate) < 0.2 < 1.5 < verdict.parts[0].estimate
    assert adjusted.word in ("undecided", "contradicted: negligible")


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
        assert verdict.word == "supported"
        assert f"1 {status} of 10 runs: student lenet of mixup; left out" in verdict.warnings
        assert verdict.parts[0].n_minus == 5


def test_too_many_lost_runs_leave_a_claim_undecided():
    frame = both(CLAIMED).frame()
    many = (frame["model"] == "lenet") & (frame["teacher_aug"] == "mixup") & (frame["student_seed"] < 3)
    verdict = judged(with_status(frame, many, "collapsed"), "2")
    assert verdict.word == "undecided"
    assert "3 collapsed of 10 runs: student lenet of mixup; what is left does not stand for the arm" in verdict.line
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
    assert judged(with_status(frame, frame["block"] >= 1, "missing"), "2").line.startswith(
        "undecided: mixup lenet: fewer than 2 blocks (1 and 1)"
    )
    assert judged(frame[:0], "2").line.startswith(
        "undecided: mixup lenet: no accuracy on cifar10-test of student lenet"
    )


def test_one_part_without_data_keeps_the_claim_undecided_however_clear_the_others_are():
    frame = both(CLAIMED).frame()
    verdict = judged(frame[~((frame["model"] == "alexnet") & (frame["teacher_aug"] == "cutmix"))], "2")
    assert verdict.word == "undecided"
    assert verdict.p == 1.0
    assert "cutmix alexnet: no accuracy on cifar10-test of student alexnet of cutmix" in verdict.line


def test_blocks_without_any_scatter_are_no_evidence():
    verdict = judged(both(CLAIMED, sd=0.0), "2")
    assert verdict.word == "undecided"
    assert "the blocks do not differ at all" in verdict.line
    assert verdict.blocks_needed is None


def test_two_runs_in_one_place_are_not_averaged_in_silence():
    frame = both(CLAIMED).frame()
    again = frame[(frame["model"] == "lenet") & (frame["teacher_aug"] == "mixup")].assign(run="another")
    verdict = judged(pd.concat([frame, again]), "2")
    assert "several runs of student lenet of mixup share a block and seed" in verdict.line
    assert judged(pd.concat([frame, frame]), "2").word == "supported"


def test_cells_of_a_grid_do_not_enter():
    frame = both(CLAIMED).frame()
    grid = frame.assign(variant="distillation.temperature=4", value=0.1, run=frame["run"] + "-T4")
    verdict = judged(pd.concat([frame.assign(variant=""), grid]), "2")
    assert verdict.parts[0].estimate == judged(frame, "2").parts[0].estimate


def test_results_read_back_from_csv_are_judged_alike(tmp_path):
    frame = everything().frame()
    frame.to_csv(tmp_path / "results.csv", index=False)
    written, read = (judge(table, meta(*IDS), CLAIMS) for table in (frame, pd.read_csv(tmp_path / "results.csv")))
    assert [verdict.line for verdict in written] == [verdict.line for verdict in read]


# --- other designs --------------------------------------------------------------------------------------------------


def test_a_study_with_fewer_arms_is_judged_on_those_and_says_what_it_lacks():
    table = Table().students({"baseline": 0.65, "cutmix": 0.61})
    verdict = judged(table, "2", augs=["baseline", "cutmix"], students=["lenet"])
    assert verdict.word == "supported"
    assert [part.label for part in verdict.parts] == ["cutmix lenet"]
    assert "not in this study: mixup lenet; mixup alexnet; cutmix alexnet" in verdict.warnings
    assert judged(table, "14", augs=["baseline", "cutmix"], students=["lenet"]).word == "not tested by this study"


def test_the_digits_are_asked_in_an_exploratory_way_with_the_small_alexnet_in_its_place():
    table = Table(test_set="digits-test").students(CLAIMED).students(CLAIMED, model="alexnet-small")
    verdict = judged(table, "2", dataset="digits", test_set="digits-test", students=["lenet", "alexnet-small"])
    assert verdict.word == "supported"
    assert {part.test_set for part in verdict.parts} == {"digits-test"}
    assert "exploratory: the claim is about cifar10, the study about digits" in verdict.warnings
    assert "alexnet-small stands in for alexnet" in verdict.warnings


def test_on_a_ladder_strategies_are_judged_against_its_base():
    ladder = ["flip-crop", "flip-crop+cutout", "flip-crop+mixup", "flip-crop+cutmix"]
    means = {"flip-crop": 0.65, "flip-crop+cutout": 0.65, "flip-crop+mixup": 0.61, "flip-crop+cutmix": 0.60}
    verdict = judged(both(means), "2", augs=ladder, base="flip-crop")
    assert verdict.word == "supported"
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
    assert (verdicts["7b"].word, verdicts["7b"].negligible, verdicts["9"].word) == ("supported", True, "supported")
    assert (
        "claim 9, also supported, excludes it: the difference is real and within the margin" in verdicts["7b"].warnings
    )


def test_the_crossed_bootstrap_stands_beside_where_predictions_are_given():
    table = Table(test_set="mnist-test").students({"baseline": 0.988, "mixup": 0.98, "cutmix": 0.98}, sd=0.0003)
    study = meta("4", dataset="mnist", test_set="mnist-test", students=["lenet"])
    accuracies = {row["run"]: row["value"] for row in table.rows}
    asked = []

    def predictions(run, test_set):
        asked.append((run, test_set))
        return np.arange(1000) < 1000 * accuracies[run]

    verdict = next(v for v in judge(table.frame(), study, CLAIMS, predictions=predictions) if v.claim.id == "4")
    part = verdict.parts[0]
    assert part.crossed.value == pytest.approx(part.estimate, abs=0.1)
    assert part.crossed.low < part.crossed.value < part.crossed.high
    assert part.crossed.se > part.sd_plus / np.sqrt(5)
    assert len(set(asked)) == 3 * BLOCKS * STUDENTS
    again = next(v for v in judge(table.frame(), study, CLAIMS, predictions=predictions) if v.claim.id == "4")
    assert again == verdict
    without = next(v for v in judge(table.frame(), study, CLAIMS, predictions=lambda *_: None) if v.claim.id == "4")
    assert without.parts[0].crossed is None
    assert "no predictions on mnist-test to bootstrap images" in without.warnings


# --- the paper's own numbers ----------------------------------------------------------------------------------------


def test_the_packaged_numbers_are_those_of_the_paper():
    published = load_published()
    assert len(published) == 293
    assert set(published["table"]) == {"1", "2", "3", "4", "5", "6", "F5", "F6"}
    assert printed_numbers(published)["student", "lenet", "mixup", "baseline", "accuracy", "mnist-test"] == 0.9886


def printed(claim):
    return agrees_with_print(CLAIMS[claim], CLAIMS, printed_numbers(load_published()))


def test_whether_print_agrees_is_computed_and_is_what_the_claims_file_says():
    words = {claim: printed(claim).word for claim in IDS}
    assert [claim for claim, word in words.items() if word == "no"] == ["4", "12"]
    assert [claim for claim, word in words.items() if word == "not printed"] == ["7b", "8", "9", "11", "15"]
    assert words["10"] == "not clearly"
    assert {words[claim] for claim in ("1", "2", "3", "5", "6", "7a")} == {"yes"}
    assert dict(printed("4").parts) == pytest.approx({"mixup": -0.18, "cutmix": 0.07})
    assert "2.3 pt" in printed("10").line
    against = {label for label, value in printed("12").parts if value < 0}
    assert against == {"mixup lenet", "cutmix lenet"}


def test_what_print_does_not_settle_of_the_last_claims():
    """LeNet of flip-crop 0.631 < 0.633 of mixup; D and AlexNet's accuracy rank with +0.1: both below the margin."""
    assert (printed("13").word, printed("14").word) == ("not clearly", "not clearly")
    assert dict(printed("14").parts)["flip-crop mixup lenet"] == pytest.approx(-0.2)
    assert dict(printed("13").parts)["alexnet"] == pytest.approx(-0.1)


def test_a_changed_printed_number_changes_the_answer():
    numbers = printed_numbers(load_published())
    numbers["student", "lenet", "mixup", "baseline", "accuracy", "mnist-test"] = 0.98
    assert agrees_with_print(CLAIMS["4"], CLAIMS, numbers).word == "yes"


# --- any contrast ---------------------------------------------------------------------------------------------------


def test_compare_pairs_where_pairing_is_structural():
    student, teacher = Arm("student", "lenet", "mixup", "baseline"), Arm("teacher", "resnet18", "mixup")
    assert pairing(student, replace(student, student_aug="mixup")) == "student-seed"
    assert pairing(student, Arm("control", "lenet", "labels", "baseline")) == "student-seed"
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
