"""Verdicts on three blocks with just these means and standard deviations."""

import pandas as pd

from augdistill.claims.judging import judge
from augdistill.claims.schema import load_claims

CLAIMS = load_claims()
AUGS = ["baseline", "flip-crop", "cutout", "mixup", "cutmix"]
SHAPES = ([-1, 0, 1], [1, -1, 0], [0, 1, -1], [-1, 1, 0], [1, 0, -1])


def rows(role, model, values, metric="accuracy", test_set="cifar10-test"):
    """Three blocks of each strategy with just this mean and s.d."""
    found = []
    for (aug, (mean, sd)), shape in zip(values.items(), SHAPES, strict=False):
        for block, place in enumerate(shape):
            arm = {
                "role": role,
                "model": model,
                "teacher_aug": aug,
                "student_aug": "" if role == "teacher" else "baseline",
            }
            where = {"block": block, "student_seed": -1 if role == "teacher" else block, "metric": metric}
            found.append(
                {**arm, **where, "test_set": test_set, "value": mean + sd * place, "run": f"{role}{aug}{block}"}
            )
    return found


def verdict(claim, *tables, students=("lenet",), **changes):
    frame = pd.DataFrame([row for table in tables for row in table])
    frame = frame.assign(study="s", status="finished", precision="fp32")
    meta = {"name": "s", "blocks": 3, "claims": [claim], "augs": AUGS, "students": list(students), "dataset": "cifar10"}
    found = judge(frame, {**meta, "test_set": "cifar10-test", **changes}, CLAIMS, hours=0.5)
    return next(each for each in found if each.claim.id == claim)


# what three blocks of cifar10-small once had, in the order of AUGS; students' s.d. with what the images add
STUDENTS = dict(
    zip(AUGS, [(0.6963, 0.008), (0.6968, 0.008), (0.6976, 0.006), (0.6993, 0.008), (0.7029, 0.009)], strict=True)
)
