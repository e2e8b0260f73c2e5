"""The guarantees of the verdicts, on simulated studies whose truth is known.

Nested, as studies are: a teacher shifts all its students (s.d. at least that between students of one teacher), partly
the same way in both architectures. The vectorised statistics run over thousands of studies, `judge` itself over fewer,
and both must say the same of the same data. Rates are compared with a bound that a right procedure keeps in 99.9 % of
trials.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from augdistill.claims.expansion import Contrast, expand
from augdistill.claims.judging import judge
from augdistill.claims.schema import Arm, Claim, Claims, Study, load_claims
from augdistill.stats import contrasts as st
from augdistill.stats import decisions as de

STRATEGIES = ("baseline", "flip-crop", "cutout", "mixup", "cutmix")
MODELS = ("lenet", "alexnet")
STUDIES = 4000
FIRST_LOOK = de.look_level(1)
EFFECTS = (de.SUPPORTED, de.OPPOSITE, de.MIXED)


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


def levels_of(claim: Claim, claims: Claims, data: Simulated, unit: str = "block") -> de.Levels:
    """Levels [studies] of every word, from the vectorised statistics alone; `unit` "student" is the wrong analysis."""
    found = {"above": [], "below": [], "within": [], "outside": []}
    for spec in specs_of(claim, claims):
        arms = [np.mean([data.arm(pair[side]) for pair in spec.pairs], axis=0) for side in (0, 1)]
        per_block = unit == "block"
        values = [arm.mean(axis=-1) if per_block else arm.reshape(len(arm), -1) for arm in arms]
        contrast = (st.welch if spec.pairing == "none" else st.paired)(*values)
        found["above"].append(st.p_above(contrast))
        found["below"].append(st.p_below(contrast))
        found["within"].append(st.tost(contrast, claim.margin))
        found["outside"].append(st.p_outside(contrast, claim.margin))
    p = {name: np.stack(parts, axis=-1) for name, parts in found.items()}
    if claim.kind == "equivalence":
        return de.equivalence_levels(p["within"], p["outside"])
    return de.difference_levels(p["above"], p["below"], p["within"])


def words(levels: de.Levels, level: float) -> np.ndarray:
    """The word [studies] at a level, as `word_at` picks it for one study."""
    size = len(next(iter(levels.values())))
    return np.array([de.word_at({word: reached[i] for word, reached in levels.items()}, level) for i in range(size)])


def at_most(count: int, trials: int, rate: float) -> bool:
    return bool(count <= stats.binom.ppf(0.999, trials, rate))


def at_least(count: int, trials: int, rate: float) -> bool:
    return bool(count >= stats.binom.ppf(0.001, trials, rate))


DIRECTIONAL = ["1", "2", "7b", "8", "11", "12", "14", "15"]
UNEQUAL = {"baseline": 3.0, "mixup": 1.0, "cutmix": 0.3}


@pytest.mark.parametrize("spread", [None, UNEQUAL], ids=["equal variances", "unequal variances"])
@pytest.mark.parametrize("blocks", [3, 5, 10])
@pytest.mark.parametrize("claim_id", DIRECTIONAL)
def test_directional_claims_without_effect_reach_a_verdict_in_at_most_5_percent(claims, claim_id, blocks, spread):
    claim = claims[claim_id]
    sd = claim.margin
    data = Simulated(np.random.default_rng([1, blocks]), STUDIES, blocks, 2, sd, sd, spread=spread)
    found = words(levels_of(claim, claims, data), FIRST_LOOK)
    assert at_most(np.isin(found, EFFECTS).sum(), STUDIES, 0.05)


@pytest.mark.parametrize("spread", [None, UNEQUAL], ids=["equal variances", "unequal variances"])
@pytest.mark.parametrize("claim_id", DIRECTIONAL)
def test_no_effect_is_called_an_effect_in_at_most_5_percent_of_precise_studies_too(claims, claim_id, spread):
    """Where the margin is wide, parts are often shown to be negligible, which must not make `mixed` too easy."""
    claim = replace(claims[claim_id], margin=2.0)
    data = Simulated(np.random.default_rng(2), STUDIES, 5, 2, 0.2, 0.2, spread=spread)
    found = words(levels_of(claim, claims, data), FIRST_LOOK)
    assert at_most(np.isin(found, EFFECTS).sum(), STUDIES, 0.05)
    assert (found == de.NEGLIGIBLE).sum() > 0.05 * STUDIES


@pytest.mark.parametrize("claim_id", ["1", "2", "14"])
def test_a_claim_that_fails_in_one_part_only_is_supported_in_at_most_5_percent(claims, claim_id):
    """The least favourable truth for "all parts hold": every effect is huge but one strategy's, which is none."""
    claim = claims[claim_id]
    sign = 1 if claim_id == "1" else -1
    means = {"mixup": 0.0, "cutmix": sign * 50.0, "flip-crop": 0.0, "cutout": 50.0}
    data = Simulated(np.random.default_rng(3), STUDIES, 5, 2, 0.5, 0.5, means=means)
    found = words(levels_of(claim, claims, data), FIRST_LOOK)
    assert at_most((found == de.SUPPORTED).sum(), STUDIES, FIRST_LOOK / 2 + 0.005)
    assert at_most(np.isin(found, (de.SUPPORTED, de.OPPOSITE)).sum(), STUDIES, 0.05)


@pytest.mark.parametrize("sd", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("spread", [None, UNEQUAL], ids=["equal variances", "unequal variances"])
@pytest.mark.parametrize("where", ["one part at the margin", "all at the margin"])
@pytest.mark.parametrize("claim_id", ["9", "10"])
def test_equivalence_claims_at_the_margin_reach_a_verdict_in_at_most_5_percent(claims, claim_id, where, spread, sd):
    claim = claims[claim_id]
    margin = claim.margin
    augmented = STRATEGIES[1:2] if where.startswith("one") else STRATEGIES[1:]
    if claim_id == "9":
        means: dict[object, float] = dict.fromkeys(augmented, margin)
    else:
        arms = [Arm("student", "lenet", teacher, own) for own in augmented for teacher in ("baseline", own)]
        means = dict.fromkeys(arms, margin)
    data = Simulated(np.random.default_rng(4), STUDIES, 10, 2, sd * margin, sd * margin, means=means, spread=spread)
    found = words(levels_of(claim, claims, data), FIRST_LOOK)
    assert at_most((found != de.UNDECIDED).sum(), STUDIES, 0.05)


def test_equivalence_of_one_part_spends_what_it_is_given(claims):
    """So that the bounds above are not met by a test that never decides: one precise part at the margin."""
    claim = replace(claims["15"], kind="equivalence", margin=1.0)
    data = Simulated(np.random.default_rng(5), 20_000, 10, 1, 0.3, 0.0, means={"cutmix": 1.0})
    found = words(levels_of(claim, claims, data), FIRST_LOOK)
    for word in (de.SUPPORTED, de.OPPOSITE):
        count = int((found == word).sum())
        assert at_most(count, 20_000, FIRST_LOOK / 2)
        assert at_least(count, 20_000, FIRST_LOOK / 2)


def test_directional_claims_of_one_part_spend_what_they_are_given(claims):
    data = Simulated(np.random.default_rng(6), 20_000, 10, 1, 1.0, 0.0)
    found = words(levels_of(claims["15"], claims, data), FIRST_LOOK)
    for word in (de.SUPPORTED, de.OPPOSITE):
        count = int((found == word).sum())
        assert at_most(count, 20_000, FIRST_LOOK / 2)
        assert at_least(count, 20_000, FIRST_LOOK / 2)


@pytest.mark.parametrize("claim_id", ["2", "15", "9"])
def test_adding_blocks_until_a_verdict_comes_stays_within_5_percent(claims, claim_id):
    """Look at 5 blocks, then at 10, 15 and 20, and stop at the first verdict."""
    claim = claims[claim_id]
    means = {"cutmix": claim.margin} if claim_id == "9" else {}
    data = Simulated(np.random.default_rng(7), STUDIES, 20, 2, claim.margin, claim.margin, means=means)
    data_of = {arm: data.arm(arm) for spec in specs_of(claim, claims) for pair in spec.pairs for arm in pair}
    wrong = np.zeros(STUDIES, dtype=bool)
    words_that_err = (de.SUPPORTED, de.OPPOSITE, de.MIXED)
    for look, blocks in enumerate((5, 10, 15, 20), start=1):
        data.arms = {arm: values[:, :blocks] for arm, values in data_of.items()}
        wrong |= np.isin(words(levels_of(claim, claims, data), de.look_level(look)), words_that_err)
    assert at_most(wrong.sum(), STUDIES, 0.05)


@pytest.mark.parametrize("effects", [0, 2, 5], ids=lambda count: f"{count} true effects")
def test_a_family_has_a_wrong_verdict_in_at_most_5_percent_of_studies(claims, effects):
    """Ten claims of one teacher arm against the same baseline, some of them true; any wrong verdict counts."""
    rng, family = np.random.default_rng(8), 10
    truth = np.where(np.arange(family) < effects, 4.0, 0.0)
    baseline = rng.normal(size=(2000, 1, 5))
    arms = truth[:, None] + rng.normal(size=(2000, family, 5))
    contrast = st.welch(arms, np.broadcast_to(baseline, arms.shape))
    above, below, within = st.p_above(contrast), st.p_below(contrast), st.tost(contrast, 0.5)
    wrong = 0
    for study in range(2000):
        levels = {
            str(i): de.difference_levels(above[study, [i]], below[study, [i]], within[study, [i]])
            for i in range(family)
        }
        decided = [word for word, _, _ in de.decide(levels, 0.05).values()]
        right = [(de.UNDECIDED, de.SUPPORTED if effect else de.NEGLIGIBLE) for effect in truth]
        wrong += any(word not in allowed for word, allowed in zip(decided, right, strict=True))
    assert at_most(wrong, 2000, 0.05)


POWERED = [(claim.id, power) for claim in load_claims().claims for power in claim.power]


@pytest.mark.parametrize(("claim_id", "power"), POWERED, ids=[f"{c} at {p.blocks} blocks" for c, p in POWERED])
def test_stated_power_is_reached(claims, claim_id, power):
    """At the first look and as the smallest p of its family, the most demanding of Holm's steps."""
    claim = claims[claim_id]
    sign = 1 if claim_id == "1" else -1  # teachers better, students worse
    means = dict.fromkeys(("mixup", "cutmix"), sign * power.effect)
    rng = np.random.default_rng(9)
    data = Simulated(rng, STUDIES, power.blocks, 2, power.teacher_sd, power.student_sd, means=means)
    found = words(levels_of(claim, claims, data), FIRST_LOOK / power.family)
    assert at_least((found == de.SUPPORTED).sum(), STUDIES, 0.8)


def test_students_as_units_would_fail(claims):
    """One comparison at the same levels, but every student counted as a block of its own."""
    group = claims["2"].parts[0]
    claim = replace(claims["2"], parts=(replace(group, over={"m": ("cutmix",), "student": ("lenet",)}),))
    data = Simulated(np.random.default_rng(10), STUDIES, 3, 6, 1.0, 1.0)
    blocks = np.isin(words(levels_of(claim, claims, data), FIRST_LOOK), EFFECTS).sum()
    students = np.isin(words(levels_of(claim, claims, data, unit="student"), FIRST_LOOK), EFFECTS).sum()
    assert at_most(blocks, STUDIES, 0.05)
    assert not at_most(students, STUDIES, 0.05)
    assert students > 0.15 * STUDIES


@pytest.mark.parametrize("kept", [(3, 5), (5, 3), (4, 5)], ids=lambda kept: f"{kept[0]} and {kept[1]} blocks")
def test_missing_blocks_of_the_more_scattered_arm_do_not_make_effects(kept):
    """Where a t test with one variance errs most: the small arm is the one that scatters."""
    rng = np.random.default_rng(11)
    plus, minus = 3 * rng.normal(size=(20_000, kept[0])), rng.normal(size=(20_000, kept[1]))
    wrong = (st.p_two_sided(st.welch(plus, minus)) <= FIRST_LOOK).sum()
    assert at_most(wrong, 20_000, 0.05)


MEASURED = {
    "accuracy": (["1", "2", "10", "11", "14"], 100.0),
    "ece": (["7a", "7b", "8", "9"], 1.0),
    "human_kl_off_diagonal": (["15"], 1.0),
}


@pytest.mark.parametrize("metric", MEASURED)
def test_judge_says_what_the_simulated_statistics_say(claims, metric):
    """The same studies as tables of runs and as arrays: the same words, p and Holm p."""
    family, scale = MEASURED[metric]
    studies = 40
    sd = claims[family[-1]].margin
    means = {"mixup": 0.7 * sd, "cutmix": sd}
    data = Simulated(np.random.default_rng(12), studies, 5, 2, sd / 3, sd / 3, means=means)
    levels = {claim_id: levels_of(claims[claim_id], claims, data) for claim_id in family}
    reached = set()
    for study in range(studies):
        one = {claim_id: {word: p[study] for word, p in found.items()} for claim_id, found in levels.items()}
        expected = de.decide(one, FIRST_LOOK)
        table = as_results(data, study, metric, claims[family[0]].test_set, scale)
        verdicts = {verdict.claim.id: verdict for verdict in judge(table, meta(family), claims)}
        for claim_id, (word, p_holm, level) in expected.items():
            found = verdicts[claim_id]
            assert found.word == word
            assert found.p == pytest.approx(float(de.claim_p(one[claim_id])), rel=1e-6)
            assert (found.p_holm, found.level) == pytest.approx((p_holm, level), rel=1e-6)
            reached.add(word)
    assert len(reached) > 1


def test_judge_reaches_a_verdict_for_an_effect_that_is_not_there_in_at_most_5_percent(claims):
    data = Simulated(np.random.default_rng(13), 300, 5, 2, 1.0, 1.0)
    group = claims["2"].parts[0]
    claim = replace(claims["2"], parts=(replace(group, over={"m": ("cutmix",), "student": ("lenet",)}),), beside=())
    for pair in specs_of(claim, claims)[0].pairs:
        for arm in pair:
            data.arm(arm)
    alone = replace(claims, claims=(claim,))
    found = [
        judge(as_results(data, study, "accuracy", "in-distribution", 100.0), meta(["2"]), alone)[0].word
        for study in range(300)
    ]
    assert at_most(sum(word in EFFECTS for word in found), 300, 0.05)


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
