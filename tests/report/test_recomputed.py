"""Every number of the verdict table, and of Tables 1 to 6, once more from results.csv, by plain numpy and scipy.

What computes here knows nothing of the package: the claims are written out again, the additive model is least squares
with dummies, and the bound on Welch's size is a mean over quantiles. The package only makes the report that is read.
"""

import csv
from collections import defaultdict
from functools import cache

import numpy as np
import pytest
from scipy import stats

import saved_studies
from augdistill.report import building
from augdistill.report.files import write_files
from augdistill.results.study import SavedStudy

AUGS = ("baseline", "flip-crop", "cutout", "mixup", "cutmix")
MIXED, NETS = ("mixup", "cutmix"), ("lenet", "alexnet")
NAMES = {"Baseline": "baseline", "Flip + crop": "flip-crop", "Cutout": "cutout", "Mixup": "mixup", "CutMix": "cutmix"}
ROLES = {"ResNet18 teacher": ("teacher", "resnet18"), "LeNet student": ("student", "lenet")}
ROLES["AlexNet student"] = ("student", "alexnet")
OWN, HUMAN = "cifar10-test", "cifar10h"


def teacher(aug):
    return ("teacher", "resnet18", aug)


def students(net, aug):
    return ("student", net, aug)


def by_student(orient, augs=MIXED):
    """Parts over strategies and architectures: baseline minus strategy, or the other way round."""
    pairs = [(students(net, "baseline"), students(net, aug)) for aug in augs for net in NETS]
    return [[pair if orient > 0 else pair[::-1]] for pair in pairs]


CLAIMS = {  # id: (kind of variance, metric, test set, parts as lists of pairs, margin, is a group, is equivalence)
    "1": ("pooled", "accuracy", OWN, [[(teacher(m), teacher("baseline"))] for m in MIXED], 0.3, False, False),
    "2": ("pooled", "accuracy", OWN, by_student(1), 0.5, True, False),
    "3": ("pooled", "accuracy", "cinic10-imagenet-test", by_student(1), 0.5, False, False),
    "5": (
        "share",
        "discrimination_corrected",
        OWN,
        [[(teacher(s), teacher("baseline"))] for s in AUGS[1:]],
        0.05,
        False,
        False,
    ),
    "7a": ("separate", "ece", OWN, [[(teacher("baseline"), teacher(m))] for m in MIXED], 0.01, False, False),
    "7b": ("separate", "ece", OWN, by_student(1), 0.01, False, False),
    "8": (
        "own-teacher",
        "ece",
        OWN,
        [
            [(teacher(s), students("lenet", s)) for s in AUGS],
            [(teacher("baseline"), ("control", "lenet", "labels"))],
        ],
        0.01,
        False,
        False,
    ),
    "9": ("separate", "ece", OWN, by_student(-1, AUGS[1:]), 0.01, False, True),
    "11": (
        "pooled",
        "accuracy",
        OWN,
        [[(students(net, "baseline"), ("control", net, "labels"))] for net in NETS],
        0.5,
        False,
        False,
    ),
    "12": ("separate", "human_ce", HUMAN, by_student(-1), 0.01, True, False),
    "14": (
        "pooled",
        "accuracy",
        OWN,
        [[(students(n, p), students(n, m))] for p in AUGS[1:3] for m in MIXED for n in NETS],
        0.5,
        True,
        False,
    ),
    "15": (
        "separate",
        "human_kl_off_diagonal",
        HUMAN,
        [[(teacher("cutmix"), teacher("baseline"))]],
        0.05,
        False,
        False,
    ),
}


@pytest.fixture(scope="module")
def report(data, tmp_path_factory):
    """A report without the images' part of the variance, which is not in results.csv."""
    outputs, words = tmp_path_factory.mktemp("recomputed"), ("study.blocks=4", "study.students_per_teacher=1")
    saved_studies.write_study_on(data, outputs, "paper", *words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SavedStudy, "correct", lambda *_: None)
        patch.setattr(building, "FIGURES", {})
        built = building.build_report(["paper"], outputs)
    write_files(built)
    return built.folder


def table(report, name):
    return list(csv.DictReader((report / name).read_text().splitlines()))


@pytest.fixture(scope="module")
def blocks(report):
    """(arm, metric, test set) -> values [blocks]: the mean over students of each block."""
    found = defaultdict(lambda: defaultdict(list))
    for row in table(report, "results.csv"):
        if row["variant"] == "" and row["value"] and row["student_aug"] in ("", "baseline"):
            arm = (row["role"], row["model"], row["teacher_aug"])
            found[arm, row["metric"], row["test_set"]][int(row["block"])].append(float(row["value"]))
    return {key: np.array([np.mean(values[b]) for b in sorted(values)]) for key, values in found.items()}


class Test:
    """An estimate with its p-values and intervals; `size` corrects one-sided p-values."""

    __test__ = False

    def __init__(self, value, se, df, size=None):
        self.value, self.se, self.df, self.size = value, se, df, size or (lambda p: p)

    def above(self, null=0.0):
        p = stats.t.sf((self.value - null) / self.se, self.df)
        return self.size(p) if p < 0.5 else p

    def below(self, null=0.0):
        return Test(-self.value, self.se, self.df, self.size).above(-null)

    def ends(self, alpha):
        """The interval by bisection on the corrected p."""
        low, high = 0.0, 500 * self.se
        for _ in range(60):
            middle = (low + high) / 2
            outside = Test(middle, self.se, self.df, self.size).above() <= alpha / 2
            low, high = (low, middle) if outside else (middle, high)
        return self.value - high, self.value + high


@cache
def sizes(n, m):
    """The largest size of Welch's test over all shares of variance, at nominal p; a mean over Beta quantiles."""
    quantiles = stats.beta.ppf((np.arange(4000) + 0.5) / 4000, (n - 1) / 2, (m - 1) / 2)
    nominal, worst = np.logspace(-8, np.log10(0.5), 40), []
    shares = 1 / (1 + np.exp(-np.linspace(-8, 8, 33)))[:, None]
    a, b = shares * quantiles / (n - 1), (1 - shares) * (1 - quantiles) / (m - 1)
    for p in nominal:
        critical = stats.t.isf(p, (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1)))
        size = stats.t.sf(critical * np.sqrt((n + m - 2) * (a + b)), n + m - 2).mean(axis=1)
        worst.append(max(p, size.max()))
    return np.log(nominal), np.log(worst)


def worst_size(p, n, m):
    return float(np.exp(np.interp(np.log(p), *sizes(n, m))))


def welch(a, b):
    found = stats.ttest_ind(a, b, equal_var=False)
    se = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return Test(a.mean() - b.mean(), se, found.df, lambda p: worst_size(p, len(a), len(b)))


def least_squares(responses, weights):
    arms, count = responses.shape
    arm, block = np.divmod(np.arange(responses.size), count)
    design = np.c_[np.eye(arms)[arm], np.eye(count)[block][:, 1:]]
    beta, *_ = np.linalg.lstsq(design, responses.ravel(), rcond=None)
    df = responses.size - arms - count + 1
    variance = ((responses.ravel() - design @ beta) ** 2).sum() / df
    full = np.r_[weights, np.zeros(count - 1)]
    return Test(full @ beta, np.sqrt(variance * full @ np.linalg.inv(design.T @ design) @ full), df)


def one_variance(blocks, pairs, metric, where):
    """The additive model over all arms of the roles and models compared; unlike arms: the larger p of both tests."""
    nets = sorted({arm[1] for pair in pairs for arm in pair})
    keys = [(role, aug) for role in ("teacher", "student") for aug in AUGS] + [("control", "labels")]
    roles = {arm[0] for pair in pairs for arm in pair}
    keys = [key for key in keys if key[0] in roles]
    responses = np.array([np.mean([blocks[(r, n, aug), metric, where] for n in nets], axis=0) for r, aug in keys]) * 100
    weights = np.zeros(len(keys))
    for plus, minus in pairs:
        weights[keys.index((plus[0], plus[2]))] += 1 / len(pairs)
        weights[keys.index((minus[0], minus[2]))] -= 1 / len(pairs)
    equal, spread = least_squares(responses, weights), responses.std(axis=1, ddof=1)
    own = welch(*(np.mean([100 * blocks[pair[i], metric, where] for pair in pairs], axis=0) for i in (0, 1)))
    both = (equal, own) if spread.max() > 3 * spread.min() else (equal,)
    return max(both, key=lambda test: min(test.above(), test.below()))


def contrast_of(blocks, kind, metric, where, pairs, number):
    if kind == "pooled":
        return one_variance(blocks, pairs, metric, where)
    a, b = (np.mean([blocks[pair[side], metric, where] for pair in pairs], axis=0) for side in (0, 1))
    if kind == "own-teacher" and number == 0:
        found = stats.ttest_rel(a, b)
        return Test(np.mean(a - b), (a - b).std(ddof=1) / len(a) ** 0.5, found.df)
    return welch(a, b)


def levels(kind, metric, where, parts, margin, is_group, is_equivalence, blocks):
    """Outcome -> the smallest two-sided level at which it is reached, and each part's test."""
    parts = [[pair for part in parts for pair in part]] if is_group else parts
    found = [contrast_of(blocks, kind, metric, where, pairs, number) for number, pairs in enumerate(parts)]
    if kind == "share":
        base, arms = blocks[teacher("baseline"), metric, where], [pairs[0][0] for pairs in parts]
        short = [welch(blocks[arm, metric, where], (1 + margin) * base).below() for arm in arms]
    else:
        short = [test.below(margin) for test in found]
    if is_equivalence:
        within = max(max(test.below(margin), test.above(-margin)) for test in found)
        outside = min(min(test.above(margin), test.below(-margin)) for test in found)
        return {"supported": 2 * within, "contradicted": 2 * len(found) * outside}, found
    above, below = [test.above() for test in found], [test.below() for test in found]
    reached = {"supported": 2 * max(above), "contradicted": 2 * max(below)}
    reached |= {"contradicted in part": 2 * len(found) * min(below)} if len(found) > 1 else {}
    return {**reached, "excluded beyond the margin": 2 * max(short)}, found


@pytest.mark.slow
def test_the_verdict_table_is_what_its_results_say(report, blocks):
    rows = defaultdict(list)
    for row in table(report, "tables/verdicts.csv"):
        rows[row["claim"]].append(row)
    reached = {claim: levels(*asked, blocks) for claim, asked in CLAIMS.items()}
    p = {claim: min(1.0, *found.values()) for claim, (found, _) in reached.items()}
    secondary = sorted((claim for claim in p if claim != "2"), key=lambda claim: p[claim])
    step, expected = 0, {"2": (1, 0.05)}
    for claim in secondary:
        level = 0.05 / (len(secondary) - step)
        expected[claim] = (step + 1, level)
        step += p[claim] <= level and step == secondary.index(claim)
    assert {claim for claim in rows if rows[claim][0]["p"]} == set(CLAIMS)
    for claim, (found, tests) in reached.items():
        first = rows[claim][0]
        place, level = expected[claim]
        outcome = next((word for word, smallest in found.items() if smallest <= level), "open")
        assert float(first["p"]) == pytest.approx(p[claim], rel=0.02), claim
        assert (int(first["holm_step"]), float(first["level"])) == (place, pytest.approx(level))
        assert first["outcome"] == outcome, claim
        decide = [row for row in rows[claim] if row["decides"] == "1"]
        assert len(decide) == len(tests)
        for row, test in zip(decide, tests, strict=True):
            assert float(row["estimate"]) == pytest.approx(test.value), claim
            assert float(row["df"]) == pytest.approx(test.df), claim
            given = [float(row[name]) for name in ("ci95_low", "ci95_high", "deciding_low", "deciding_high")]
            many = (
                len(tests) if outcome == "contradicted in part" or (claim == "9" and outcome == "contradicted") else 1
            )
            ends = (*test.ends(0.05), *test.ends(level / many))
            assert given == pytest.approx(ends, rel=0.02, abs=0.01 * test.se), claim


@pytest.mark.slow
def test_tables_1_to_5_are_means_over_blocks(report, blocks):
    seen = set()
    for name in ("table-1", "table-3", "table-4", "table-5"):
        for row in table(report, f"tables/{name}.csv"):
            aug = NAMES.get(row["Teacher’s augmentation"], "labels")
            role, model = ROLES.get(row["group"], ROLES.get(row["column"], ROLES["ResNet18 teacher"]))
            key = (("control" if aug == "labels" else role, model, aug), row["metric"], row["test_set"])
            if not row["mean"]:
                continue
            values = blocks[key]
            in_percent = row["metric"] in ("accuracy", "precision", "recall", "f1")
            assert row["unit"] == "%" or not in_percent
            values = 100 * values if in_percent else values
            given = float(row["mean"]), float(row["sd"]), int(row["n"])
            assert given == pytest.approx((values.mean(), values.std(ddof=1), len(values))), (name, row)
            seen.add(name)
    assert seen == {"table-1", "table-3", "table-4", "table-5"}
