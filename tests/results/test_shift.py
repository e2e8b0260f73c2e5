"""Rows of results under shift: by corruption and radius, and errors relative to the base arm by hand."""

import numpy as np
import pandas as pd
import pytest

import saved_studies
from augdistill.claims.judging import judge
from augdistill.results.shift import RELATIVE, shift_values, with_relative_errors
from augdistill.shift import CORRUPTIONS

ARRAYS = {
    "corruptions": ["fog", "snow"],
    "severities": [1, 2],
    "accuracy_under": [[0.5, 0.7], [0.2, 0.4]],
    "radii": [0.0, 4.0],
    "accuracy_at": [0.9, 0.1],
    "reliability": {"edges": []},
}


def test_arrays_become_metrics():
    found = shift_values(ARRAYS)
    assert found == pytest.approx({"accuracy[fog]": 0.6, "accuracy[snow]": 0.3, "accuracy[0]": 0.9, "accuracy[4]": 0.1})
    assert shift_values({"confusion": [[1]]}) == {}


def row(run: str, role: str, aug: str, block: int, metric: str, value: float) -> dict[str, object]:
    own = "" if role == "teacher" else "baseline"
    place = {"role": role, "model": "lenet", "teacher_aug": aug, "student_aug": own, "variant": "", "block": block}
    return {"run": run, **place, "test_set": "made", "metric": metric, "value": value, "status": "finished"}


def test_errors_are_relative_to_the_base_of_the_same_block():
    rng = np.random.default_rng(0)
    accuracy = {run: rng.uniform(0.2, 0.8, 15) for run in ("b0", "b1", "s0", "c0", "t0")}
    places = {
        "b0": ("student", "baseline", 0),
        "b1": ("student", "baseline", 1),
        "s0": ("student", "mixup", 0),
        "c0": ("control", "labels", 0),
        "t0": ("teacher", "mixup", 0),
    }
    rows = [
        row(run, *places[run], f"accuracy[{name}]", value)
        for run, values in accuracy.items()
        for name, value in zip(CORRUPTIONS, values, strict=True)
    ]
    frame = pd.DataFrame(rows)
    found = with_relative_errors(frame, "baseline")
    relative = found[found.metric == RELATIVE].set_index("run")["value"]
    assert relative[["b0", "b1"]].tolist() == [1.0, 1.0]
    for run in ("s0", "c0"):
        assert relative[run] == pytest.approx(((1 - accuracy[run]) / (1 - accuracy["b0"])).mean())
    assert "t0" not in relative.index  # no teacher of the base is there
    assert len(found) == len(frame) + 4
    without = frame[frame.metric == "accuracy[fog]"]
    assert with_relative_errors(without, "baseline").equals(without.reset_index(drop=True))
    nothing = frame.assign(metric="accuracy")
    assert with_relative_errors(nothing, "baseline") is nothing


@pytest.mark.slow
def test_the_claims_under_shift_are_judged_to_the_end(tmp_path):
    asked = ("corruptions=[made]", "attacks=[pgd]", "unknown=[mnist]", "blocks=6", "students=[lenet]")
    claims = "claims=[corruption,robustness-transfer,out-of-distribution]"
    root = saved_studies.write_data(tmp_path / "data")
    words = ("quickstart", *(f"study.{word}" for word in (*asked, claims)))
    saved = saved_studies.write_study_on(root, tmp_path / "outputs", *words)
    verdicts = {verdict.claim.id: verdict for verdict in judge(saved.results, saved.meta, saved.claims)}
    # made-up scores: students of mixing strategies are 0.068 to 0.08 below the base's in each of the three, s.d. 0.02
    for claim, where in (
        ("corruption", "made-corruptions"),
        ("robustness-transfer", "pgd"),
        ("out-of-distribution", ""),
    ):
        assert (verdicts[claim].outcome, where in str(verdicts[claim].claim.test_set)) == ("contradicted", True)
        assert verdicts[claim].secondary[0].label == "mixup (their teachers)"
