"""A verdict in plain sentences, for the claims whose wording was agreed, on data with the values that they quote."""

from dataclasses import replace

import pandas as pd

from augdistill.claims.judging import judge
from augdistill.report.sentences import head, sentences
from augdistill.report.tables.verdicts import levels_text, notes, tone
from known_verdicts import AUGS, CLAIMS, STUDENTS, rows, verdict

TEACHERS = dict(
    zip(AUGS, [(0.779, 0.004), (0.784, 0.002), (0.777, 0.003), (0.775, 0.007), (0.787, 0.004)], strict=True)
)
STUDENTS_ECE = dict(
    zip(AUGS, [(0.0972, 0.004), (0.06, 0.004), (0.06, 0.004), (0.0344, 0.001), (0.0145, 0.005)], strict=True)
)
KL = dict(zip(AUGS, [(1.5, 0.03), (1.4, 0.03), (1.4, 0.03), (1.2, 0.03), (1.052, 0.03)], strict=True))


def test_the_paper_losses_are_excluded_by_the_three_old_blocks():
    found = verdict("2", rows("student", "lenet", STUDENTS))
    assert found.outcome == "open"
    first, effect, printed, could = sentences(found)
    assert first == "Not settled, but a loss as large as the paper’s is excluded."
    assert effect.startswith(
        "LeNet students of Mixup and CutMix teachers scored 0.5 points more than those of baseline"
    )
    assert "(95 % interval 0." in effect
    assert effect.endswith("more).")
    assert printed == "The paper prints 2.5 points less; our interval excludes it."
    assert could.startswith("3 blocks find 2.0 points in four of five studies; 6 find 1.3 points")
    assert could.endswith(" and take 3 hours.")
    assert tone(found) == "open"
    assert levels_text(found).startswith("p 0.")
    assert "against 0.05; primary claim; look 1 at 3 of 3 blocks" in levels_text(found)
    assert any(note.startswith("Probability that the effect exceeds the margin") for note in notes(found))


def test_the_three_old_blocks_support_7b_and_contradict_9_and_15():
    ece = rows("student", "lenet", STUDENTS_ECE, "ece")
    better = verdict("7b", ece)
    assert better.outcome == "supported"
    effect = sentences(better)[1]
    assert effect.startswith("Calibration error was 0.063 lower for LeNet students of Mixup teachers than for those of")
    assert "; 0.083 lower for LeNet students of CutMix teachers (0." in effect
    against = verdict("9", ece)
    assert against.outcome == "contradicted"
    assert head(against).startswith("Contradicted for ")
    assert "CutMix LeNet" in head(against)
    assert head(replace(against, refuted=("",), parts=against.parts[:1])) == "Contradicted"  # one part has no name
    further = verdict("15", rows("teacher", "resnet18", KL, "human_kl_off_diagonal", "cifar10h"))
    assert sentences(further)[0] == "Contradicted."
    assert "0.448 nats lower for the CutMix teacher than for the baseline teacher" in sentences(further)[1]


def test_a_claim_that_needs_both_says_so_and_names_each_side():
    found = verdict("1", rows("teacher", "resnet18", TEACHERS))
    text = " ".join(sentences(found))
    first = (
        "Not settled, but a gain as large as the paper’s is excluded. The Mixup teacher scored 0.4 points less than the"
    )
    assert text.startswith(f"{first} baseline teacher (95 %")
    assert "; the CutMix teacher 0.8 more (" in text
    assert "The claim needs both." in text
    assert "The paper prints 1.6 points more and 10.2 points more; our intervals exclude these." in text


def test_a_refuted_part_is_named_beside_the_open_one():
    values = {"baseline": (0.06, 0.002), "mixup": (0.14, 0.002), "cutmix": (0.10, 0.05)}
    found = verdict("7a", rows("teacher", "resnet18", values, "ece"), augs=["baseline", "mixup", "cutmix"])
    assert found.outcome == "contradicted in part"
    assert head(found) == "Contradicted for Mixup, open for CutMix"
    assert sentences(found)[1].startswith("Calibration error was 0.080 higher for the Mixup teacher")
    assert not any("These are" in sentence for sentence in sentences(found))


def test_what_is_excluded_is_a_loss_where_a_loss_is_claimed():
    values = dict.fromkeys(AUGS, (0.70, 0.0003))
    found = verdict("2", rows("student", "lenet", values))
    assert found.outcome == "excluded beyond the margin"
    assert sentences(found)[0] == "Not settled, but a loss of more than 0.5 points is excluded."
    gained = verdict("14", rows("student", "lenet", values))
    assert sentences(gained)[0] == "Not settled, but a gain of more than 0.5 points is excluded."


def test_what_cannot_be_tested_says_why_in_the_names_that_people_use():
    table = rows("student", "lenet", {"baseline": (0.7, 0.01)})
    text = " ".join(sentences(verdict("2", table, students=["lenet", "alexnet-small"])))
    assert "student Small AlexNet of" in text or "student LeNet of Mixup" in text
    assert "lenet" not in text


def test_ranks_are_described_with_their_range_and_their_own_sign():
    ladder = {aug: (3.0 + i, 0.01) for i, aug in enumerate(AUGS)}
    worse = {aug: (0.70 - 0.01 * i, 0.001) for i, aug in enumerate(AUGS)}
    found = verdict("6", rows("teacher", "resnet18", ladder, "class_separability"), rows("student", "lenet", worse))
    assert sentences(found) == [
        "Described, not tested.",
        "For LeNet rho is −1.00 (5 to 95 % range over blocks −1.00 to −1.00), over 5 strategies; a test needs 8 "
        "strategies.",
    ]


def test_a_claim_that_is_not_asked_names_the_study_that_does():
    found = verdict("2", rows("student", "lenet", STUDENTS))
    others = judge(pd.DataFrame(columns=["study"]).assign(**dict.fromkeys(COLUMNS)), META, CLAIMS)
    assert sentences(others[3]) == ["Not tested by this study; study=paper-mnist tests it."]
    assert sentences(replace(found, outcome="supported", decided_at=3))[0] == "Supported, by the look at 3 blocks."
    assert sentences(replace(found, outcome="supported", negligible=True))[0] == "Supported, but negligible."


COLUMNS = [
    "role",
    "model",
    "teacher_aug",
    "student_aug",
    "block",
    "student_seed",
    "metric",
    "test_set",
    "status",
    "value",
    "run",
    "precision",
]
META = {
    "name": "s",
    "blocks": 3,
    "claims": [],
    "augs": AUGS,
    "students": ["lenet"],
    "dataset": "cifar10",
    "test_set": "t",
}
