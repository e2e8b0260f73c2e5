"""metrics.json is read as it was written, infinite and undefined numbers too."""

import json
import math

import pytest

from augdistill.base.model import validated
from augdistill.metrics import Scores
from augdistill.store.scores import SavedScores, as_numbers


def test_scores_come_back_as_they_were_written() -> None:
    scalars = {"nll": math.inf, "gap": -math.inf, "accuracy": 0.1 + 0.2, "zeros": -0.0, "mypkg/own": 3.0}
    diagram = {"edges": [0.0, 1.0], "counts": [0.0], "confidence": [math.nan], "accuracy": [0.5]}
    arrays = {"reliability": diagram, "confusion": [[1, 0], [0, 2]], "later": {"x": [math.inf]}}
    text = json.dumps(Scores({**scalars, "f1": math.nan}, arrays, "validation").to_json(), allow_nan=False)
    found = validated(SavedScores, json.loads(text))
    assert found.scaling == "validation"
    assert math.isnan(found.scalars["f1"])
    assert {name: value for name, value in found.scalars.items() if name != "f1"} == scalars
    assert math.copysign(1, found.scalars["zeros"]) == 1  # a -0 that was written is a 0
    assert found.arrays.confusion == [[1.0, 0.0], [0.0, 2.0]]
    assert found.arrays.reliability is not None
    assert math.isnan(found.arrays.reliability.confidence[0])
    assert found.arrays.reliability.accuracy == [0.5]
    assert found.arrays.model_extra == {"later": {"x": [math.inf]}}
    assert found.arrays.class_means is None


@pytest.mark.parametrize("value", [1e301, -1e301, 10**400, [1.0, {"a": 1e301}]])
def test_a_number_that_no_metric_has_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="too large a number"):
        as_numbers(value)


@pytest.mark.parametrize(
    ("arrays", "place"),
    [
        ({"confusion": [[1], ["1"]]}, "arrays.confusion.1.0"),
        ({"class_accuracy": 3}, "arrays.class_accuracy"),
        ({"reliability": {"edges": [0]}}, "arrays.reliability.counts"),
    ],
)
def test_what_is_no_number_is_refused_by_its_place(arrays: dict[str, object], place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place} is missing or not what it must be"):
        validated(SavedScores, {"scaling": "validation", "scalars": {}, "arrays": arrays})
