"""The guarantees of the verdicts, on simulated studies whose truth is known, at the levels that decide.

Nested, as studies are: a teacher shifts all its students (s.d. at least that between students of one teacher), partly
the same way in both architectures. The vectorised statistics run over many studies, `judge` itself over fewer, and both
must say the same of the same data. Rates are compared with a bound that a right procedure keeps in 99.9 % of trials.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from augdistill.claims.arms import Arm
from augdistill.claims.expansion import Contrast, expand
from augdistill.claims.judging import judge
from augdistill.claims.schema import Claim, Claims, Study, load_claims
from augdistill.stats import contrasts as st
from augdistill.stats import decisions as de
from augdistill.stats.pooled import pooled
from augdistill.stats.spending import look_level
from simulated_studies import DECIDING, at_least, at_most, larger_p, one_sided

STRATEGIES = ("baseline", "flip-crop", "cutout", "mixup", "cutmix")
MODELS = ("lenet", "alexnet")
STUDIES = 4000
WRONG = (de.SUPPORTED, de.CONTRADICTED, de.IN_PART)  # where there is no effect


@pytest.fixture(scope="module")
def claims() -> Claims:
    return load_claims()


class Simulated:
    """Values [studies, blocks, students] of every arm, in the claim's unit, centred where `means` says."""

    def __init__(self, rng, studies, blocks, students, teacher_sd, student_sd, means=None, spread=None):
        self.rng, self.size, self.students = rng, (studies, blocks), students
        self.teacher_sd, self.student_sd = teacher_sd, student_sd
        self.means: Mapping[object, float] = means or {}
        self.spread: Mapping[str, float] = spread or {}
        self.shared = {aug: rng.normal(size=self.size) for aug in (*STRATEGIES, "labels")}
        self.own: dict[tuple[str, str], np.ndarray] = {}
        self.arms: dict[Arm, np.ndarray] = {}

    def arm(self, arm: Arm) -> np.ndarray:
        if arm not in self.arms:
            self.arms[arm] = self.draw(arm)
        return self.arms[arm]

    def draw(self, arm: Arm) -> np.ndarray:
        scale = self.spread.get(arm.teacher_aug, 1.0)
        mean = self.means.get(arm, self.means.get(arm.teacher_aug, 0.0))
        shared = self.shared[arm.teacher_aug]
        if arm.role == "teacher":
            return mean + scale * self.teacher_sd * shared[..., None]
        key = (arm.model, arm.teacher_aug)
        own = self.own.setdefault(key, self.rng.normal(size=self.size))
        taught = self.teacher_sd * np.sqrt(0.5) * (shared + own) if arm.role == "student" else np.zeros(self.size)
        noise = self.student_sd * self.rng.normal(size=(*self.size, self.students))
        return mean + scale * (taught[..., None] + noise)


def specs_of(claim: Claim, claims: Claims) -> list[Contrast]:
    study = Study("paper", 5, (claim.id,), STRATEGIES, MODELS, claim.dataset, "test")
    specs, left_out = expand(claim.parts, claim, study, claims)
    assert not left_out
    return [spec for spec in specs if isinstance(spec, Contrast)]


def deciding_pairs(claim: Claim, claims: Claims) -> list[tuple[tuple[tuple[Arm, Arm], ...], str]]:
    """The pairs of arms and the pairing of each part that decides: for a group, of its one contrast."""
    specs = specs_of(claim, claims)
    if claim.contrast:
        return [(tuple(pair for spec in specs for pair in spec.pairs), "none")]
    return [(spec.pairs, spec.pairing) for spec in specs]


def units(values: np.ndarray, unit: str) -> np.ndarray:
    """Block means, or every student by itself, which is the wrong analysis."""
    return values.mean(axis=-1) if unit == "block" else values.reshape(len(values), -1)


def levels_of(claim: Claim, claims: Claims, data: Simulated, unit: str = "block") -> de.Levels:
    """Levels [studies] of every outcome, from the vectorised statistics alone."""
    found: dict[str, list[np.ndarray]] = {}
    for pairs, pairing in deciding_pairs(claim, claims):
        plus, minus = (units(np.mean([data.arm(pair[side]) for pair in pairs], axis=0), unit) for side in (0, 1))
        if pairing != "none":
            estimate = st.paired(plus, minus)
        elif claim.variance == "separate":
            estimate = st.welch_corrected(plus, minus)
        else:
            estimate = larger_p(*pooled_of(pairs, data, unit, st.welch_corrected(plus, minus)))
        for name, p in one_sided(estimate, claim.margin).items():
            found.setdefault(name, []).append(p)
    p = {name: np.stack(parts, axis=-1) for name, parts in found.items()}
    if claim.kind == "equivalence":
        return de.equivalence_levels(p["within"], p["outside"])
    return de.difference_levels(p["above"], p["below"], p["short"])


def pooled_of(pairs, data: Simulated, unit: str, own: st.Estimate):
    """The pooled contrast over all arms of the roles compared, models averaged first."""
    arms = [arm for pair in pairs for arm in pair]
    models, roles = dict.fromkeys(arm.model for arm in arms), {arm.role for arm in arms}
    keys = [(role, aug) for role in ("teacher", "student") if role in roles for aug in STRATEGIES]
    keys += [("control", "labels")] if "control" in roles else []
    own_aug = "" if roles == {"teacher"} else "baseline"
    responses = np.stack(
        [np.mean([units(data.arm(Arm(role, m, aug, own_aug)), unit) for m in models], axis=0) for role, aug in keys], 1
    )
    weights = np.zeros(len(keys))
    for plus, minus in pairs:
        weights[keys.index((plus.role, plus.teacher_aug))] += 1 / len(pairs)
        weights[keys.index((minus.role, minus.teacher_aug))] -= 1 / len(pairs)
    return pooled(responses, weights), own, responses


def outcomes(levels: de.Levels, level: float) -> np.ndarray:
    """The outcome [studies] at a level, as `outcome_at` picks it for one study."""
    found = np.full(len(next(iter(levels.values()))), de.OPEN, dtype=object)
    for outcome, reached in reversed(levels.items()):
        found[reached <= level] = outcome
    return found


DIRECTIONAL = ["1", "2", "7b", "8", "11", "12", "14", "15"]
UNEQUAL_ARMS = {"baseline": 3.0, "mixup": 1.0, "cutmix": 0.3}


@pytest.mark.parametrize("blocks", [3, 6])
@pytest.mark.parametrize("claim_id", DIRECTIONAL)
def test_directional_claims_without_effect_are_decided_no_more_often_than_the_level(claims, claim_id, blocks):
    claim = claims[claim_id]
    spread = UNEQUAL_ARMS if claim.variance == "separate" else None
    data = Simulated(np.random.default_rng([1, blocks]), STUDIES, blocks, 2, claim.margin, claim.margin, spread=spread)
    levels = levels_of(claim, claims, data)
    for level in (DECIDING, 0.05):
        assert at_most(np.isin(outcomes(levels, level), WRONG).sum(), STUDIES, level)


@pytest.mark.parametrize("claim_id", ["1", "5", "7b"])
def test_refutation_in_part_errs_no_more_often_than_the_level(claims, claim_id):
    """The least favourable truths: nothing anywhere, and every effect huge but that of one strategy, which is none."""
    claim = claims[claim_id]
    huge = 50 * claim.margin * (-1 if claim_id == "7b" else 1)
    for means in ({}, {"cutmix": huge}, {"flip-crop": huge, "cutout": huge, "cutmix": huge}):
        data = Simulated(np.random.default_rng(3), 20_000, 5, 2, claim.margin, claim.margin, means=means)
        levels = levels_of(claim, claims, data)
        for level in (0.02, 0.05):
            found = outcomes(levels, level)
            assert at_most(np.isin(found, (de.CONTRADICTED, de.IN_PART)).sum(), 20_000, level / 2)
            assert at_most((found == de.SUPPORTED).sum(), 20_000, level / 2)


def test_refutation_in_part_finds_the_part_that_refutes(claims):
    data = Simulated(np.random.default_rng(4), STUDIES, 5, 2, 0.3, 0.3, means={"mixup": -3.0, "cutmix": 3.0})
    assert at_least((outcomes(levels_of(claims["1"], claims, data), DECIDING) == de.IN_PART).sum(), STUDIES, 0.9)


@pytest.mark.parametrize("claim_id", ["2", "12", "7a"])
def test_an_effect_as_large_as_the_margin_is_excluded_no_more_often_than_the_level(claims, claim_id):
    claim = claims[claim_id]
    sign = {"2": -1, "12": 1, "7a": -1}[claim_id]
    means = dict.fromkeys(("mixup", "cutmix"), sign * claim.margin)
    data = Simulated(np.random.default_rng(5), 20_000, 5, 2, claim.margin, claim.margin, means=means)
    found = outcomes(levels_of(claim, claims, data), 0.02)
    assert at_most(np.isin(found, (de.EXCLUDED, de.CONTRADICTED, de.IN_PART)).sum(), 20_000, 0.01)


@pytest.mark.parametrize("sd", [0.2, 0.5])
@pytest.mark.parametrize("where", ["one part at the margin", "all at the margin"])
@pytest.mark.parametrize("claim_id", ["9", "10"])
def test_equivalence_claims_at_the_margin_are_decided_no_more_often_than_the_level(claims, claim_id, where, sd):
    claim = claims[claim_id]
    augmented = STRATEGIES[1:2] if where.startswith("one") else STRATEGIES[1:]
    if claim_id == "9":
        means: dict[object, float] = dict.fromkeys(augmented, claim.margin)
    else:
        arms = [Arm("student", "lenet", teacher, own) for own in augmented for teacher in ("baseline", own)]
        means = dict.fromkeys(arms, claim.margin)
    sd = sd * claim.margin
    data = Simulated(np.random.default_rng(6), STUDIES, 6, 2, sd, sd, means=means)
    levels = levels_of(claim, claims, data)
    for level in (DECIDING, 0.05):
        assert at_most((outcomes(levels, level) != de.OPEN).sum(), STUDIES, level)


def test_claims_of_one_part_spend_what_they_are_given(claims):
    """So that the bounds above are not met by a test that never decides."""
    data = Simulated(np.random.default_rng(7), 20_000, 10, 1, 1.0, 0.0)
    found = outcomes(levels_of(claims["2"], claims, data), 0.05)
    for outcome in (de.SUPPORTED, de.CONTRADICTED):
        count = int((found == outcome).sum())
        assert at_most(count, 20_000, 0.025)
        assert at_least(count, 20_000, 0.02)


def test_students_as_units_would_fail(claims):
    """The same claim at the same level, but every student counted as a block of its own."""
    data = Simulated(np.random.default_rng(10), STUDIES, 3, 6, 1.0, 1.0)
    one = replace(claims, claims=())
    blocks = np.isin(outcomes(levels_of(claims["2"], one, data), DECIDING), WRONG).sum()
    students = np.isin(outcomes(levels_of(claims["2"], one, data, unit="student"), DECIDING), WRONG).sum()
    assert at_most(blocks, STUDIES, DECIDING)
    assert not at_most(students, STUDIES, 20 * DECIDING)


POWERED = [(claim.id, power) for claim in load_claims().claims for power in claim.power]


@pytest.mark.parametrize(("claim_id", "power"), POWERED, ids=[f"{c} at {p.blocks} blocks" for c, p in POWERED])
def test_stated_power_is_reached(claims, claim_id, power):
    """As the smallest p of its family, the most demanding of Holm's steps."""
    claim = claims[claim_id]
    sign = 1 if claim_id == "1" else -1  # teachers better, students worse
    means = dict.fromkeys(("mixup", "cutmix"), sign * power.effect)
    rng = np.random.default_rng(14)
    data = Simulated(rng, STUDIES, power.blocks, 2, power.teacher_sd, power.student_sd, means=means)
    found = outcomes(levels_of(claim, claims, data), 0.05 / power.family)
    assert at_least((found == de.SUPPORTED).sum(), STUDIES, 0.8)


MEASURED = [  # the augmented students of claim 10 are arms of the model too, so it is asked by itself
    ("accuracy", ["1", "2", "11", "14"], 100.0),
    ("accuracy", ["10"], 100.0),
    ("ece", ["7a", "7b", "8", "9"], 1.0),
    ("human_kl_off_diagonal", ["15"], 1.0),
]


@pytest.mark.parametrize(("metric", "family", "scale"), MEASURED, ids=["accuracy", "mirrored", "ece", "humans"])
def test_judge_says_what_the_simulated_statistics_say(claims, metric, family, scale):
    """The same studies as tables of runs and as arrays: the same outcomes, p and levels."""
    studies = 12
    sd = claims[family[-1]].margin
    means = {"mixup": 0.7 * sd, "cutmix": sd}
    data = Simulated(np.random.default_rng(15), studies, 5, 2, sd / 3, sd / 3, means=means)
    levels = {claim_id: levels_of(claims[claim_id], claims, data) for claim_id in family}
    reached = set()
    for study in range(studies):
        one = {claim_id: {outcome: p[study] for outcome, p in found.items()} for claim_id, found in levels.items()}
        level_of = partial(look_level, (5,), 5)
        expected = de.decide({claim: found for claim, found in one.items() if claim == "2"}, level_of)
        expected |= de.decide({claim: found for claim, found in one.items() if claim != "2"}, level_of)
        table = as_results(data, study, metric, claims[family[0]].test_set, scale)
        verdicts = {verdict.claim.id: verdict for verdict in judge(table, meta(family), claims)}
        for claim_id, decision in expected.items():
            found = verdicts[claim_id]
            assert found.outcome == decision.outcome
            assert (found.p, found.level) == pytest.approx((decision.p, decision.level), rel=1e-6)
            assert (found.step, found.tests) == (decision.step, decision.tests)
            reached.add(found.outcome)
    assert len(reached) > 1 or len(family) == 1


def meta(family: list[str]) -> dict[str, object]:
    return {
        "name": "simulated",
        "blocks": 5,
        "students_per_teacher": 2,
        "claims": family,
        "augs": list(STRATEGIES),
        "students": list(MODELS),
        "dataset": "cifar10",
        "test_set": "cifar10-test",
    }


def as_results(data: Simulated, study: int, metric: str, test_set: str, scale: float) -> pd.DataFrame:
    """One simulated study as the rows that a study's results have."""
    rows = []
    for arm, values in data.arms.items():
        for block, students in enumerate(values[study]):
            for k, value in enumerate(students):
                seed = -1 if arm.role == "teacher" else len(students) * block + k
                rows.append({**vars(arm), "block": block, "student_seed": seed, "value": value / scale})
    table = pd.DataFrame(rows)
    table.loc[table["role"] == "teacher", "model"] = "resnet18"
    table["run"] = [f"run-{number}" for number in range(len(table))]
    place = "cifar10-test" if test_set == "in-distribution" else test_set
    return table.assign(study="simulated", test_set=place, metric=metric, status="finished", precision="fp32")
