"""Small tables of runs to judge claims on, and the additive model by ordinary least squares."""

import numpy as np
import pandas as pd

from augdistill.claims.judging import judge
from augdistill.claims.schema import load_claims

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


def everything():
    """A study with every arm, metric and test set that some claim asks for."""
    table = Table()
    for metric, test_set in (
        *(("accuracy", name) for name in ("cifar10-test", "cinic10-imagenet-test")),
        *((name, "cifar10-test") for name in ("ece", "class_separability", "discrimination_corrected")),
        *((name, "cifar10h") for name in ("human_ce", "human_kl_off_diagonal")),
        ("accuracy", "cifar10-test+made-corruptions"),
        ("robust_accuracy", "cifar10-test+pgd"),
        *((name, "cifar10-test+unknown-mnist") for name in ("auroc_msp", "auroc_knn")),
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


def with_status(frame, mask, status):
    return frame.assign(
        status=frame["status"].mask(mask, status), value=frame["value"].mask(mask & (status != "collapsed"))
    )
