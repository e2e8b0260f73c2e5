"""Scores are read as they were written; other numbers are refused by their place."""

import json
import math
from typing import Any

import numpy as np
import pytest

from augdistill.base.errors import RunError
from augdistill.metrics import score
from augdistill.results.scores import load_scores

LOGITS, LABELS = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 4


def written(folder, change: Any = lambda content: None):
    content = score(LOGITS, LABELS).to_json()
    change(content)
    (folder / "metrics.json").write_text(json.dumps(content, allow_nan=False))
    return folder / "metrics.json"


def test_scores_come_back_as_they_were_written(tmp_path) -> None:
    original = score(LOGITS, LABELS)
    back = load_scores(written(tmp_path))
    assert list(back.scalars) == list(original.scalars)
    np.testing.assert_equal(back.scalars, original.scalars)
    np.testing.assert_equal(back.arrays, original.arrays)
    assert back.scaling == original.scaling


def test_undefined_and_infinite_numbers_come_back(tmp_path) -> None:
    def change(content) -> None:
        content["scalars"] |= {"nll": None, "ece": "inf", "mce": "-inf", "brier": -0.0}
        content["arrays"] |= {"class_accuracy": [None, "inf", 1, 0.5], "later": {"x": [None]}}

    back = load_scores(written(tmp_path, change))
    assert math.isnan(back.scalars["nll"])
    assert (back.scalars["ece"], back.scalars["mce"], str(back.scalars["brier"])) == (math.inf, -math.inf, "0.0")
    np.testing.assert_equal(back.arrays["class_accuracy"], [math.nan, math.inf, 1.0, 0.5])
    assert math.isnan(back.arrays["later"]["x"][0])  # arrays that another version may know are kept


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda content: content["scalars"].update(nll="NaN"), "scalars.nll"),
        (lambda content: content["scalars"].update(nll=True), "scalars.nll"),
        (lambda content: content["scalars"].update(nll=10**301), "scalars.nll"),
        (lambda content: content["arrays"].update(confusion=[[1], [1, "x"]]), "arrays.confusion.1.1"),
        (lambda content: content["arrays"]["reliability"].pop("edges"), "arrays.reliability.edges"),
        (lambda content: content["arrays"].update(class_accuracy={}), "arrays.class_accuracy"),
    ],
)
def test_what_is_no_number_is_refused(change, place, tmp_path) -> None:
    with pytest.raises(RunError, match=rf"\({place} is missing or not what it must be\): augdistill runs remove"):
        load_scores(written(tmp_path, change))
