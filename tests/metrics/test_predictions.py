"""What `check_predictions` takes and what it refuses, each in one line."""

import numpy as np
import pytest

from augdistill.base.errors import DataError
from augdistill.metrics import check_predictions
from augdistill.metrics.classification import log_softmax

LABELS = np.array([0, 1, 2, 0])
LOGITS = np.arange(12, dtype=np.float32).reshape(4, 3) % 5
PROBABILITIES = np.exp(log_softmax(LOGITS))


def test_logits_become_log_probabilities():
    embeddings = np.ones((4, 6), dtype=np.float32)
    found = check_predictions(
        {"logits": LOGITS, "embeddings": embeddings, "labels": LABELS.astype(np.uint8)}, LABELS, 3
    )
    np.testing.assert_array_equal(found.log_probabilities, log_softmax(LOGITS))
    assert found.embeddings is embeddings
    assert not found.external


def test_probabilities_are_external_and_may_be_zero():
    rows = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5], [0.2, 0.3, 0.500009]])
    found = check_predictions({"probabilities": rows}, LABELS, 3)
    assert found.external
    assert found.embeddings is None
    np.testing.assert_allclose(np.exp(found.log_probabilities), rows / rows.sum(axis=1, keepdims=True), atol=1e-15)
    assert np.isneginf(found.log_probabilities[0, 1:]).all()


def test_integer_logits_and_float32_probabilities_will_do():
    assert check_predictions({"logits": LOGITS.astype(np.int64)}, LABELS, 3).log_probabilities.dtype == np.float64
    found = check_predictions({"probabilities": PROBABILITIES.astype(np.float32)}, LABELS, 3)
    np.testing.assert_allclose(found.log_probabilities, log_softmax(LOGITS), atol=1e-6)


def replaced(array, row, value):
    changed = array.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "'logits' or 'probabilities' is missing; exactly one"),
        ({"labels": LABELS}, "'logits' or 'probabilities' is missing; exactly one"),
        (
            {"logits": LOGITS, "probabilities": PROBABILITIES},
            "both 'logits' and 'probabilities' are there; exactly",
        ),
        ({"logits": LOGITS, "embedding": LOGITS}, "unknown array 'embedding'; allowed are logits, probabilities, emb"),
        ({"logits": LOGITS[:3]}, "logits: 3 rows; the dataset has 4 samples"),
        ({"logits": LOGITS[:, :2]}, "logits: 2 classes; the dataset has 3"),
        ({"logits": LOGITS[:, 0]}, r"logits: shape \(4,\); one row for each of the 4 samples"),
        ({"logits": LOGITS.astype(str)}, "logits: values of type <U32; real numbers"),
        ({"logits": LOGITS.astype(complex)}, "logits: values of type complex128; real numbers"),
        ({"logits": replaced(LOGITS, 2, np.nan)}, "logits: NaN or infinite in 1 rows, first row 2; finite"),
        ({"logits": replaced(LOGITS, 1, -np.inf)}, "logits: NaN or infinite in 1 rows, first row 1; finite"),
        (
            {"probabilities": replaced(PROBABILITIES, 1, np.nan)},
            "probabilities: NaN or infinite in 1 rows, first",
        ),
        (
            {"probabilities": replaced(PROBABILITIES, 3, [1.5, -0.5, 0])},
            "negative in 1 rows, first row 3",
        ),
        ({"probabilities": replaced(PROBABILITIES, 0, [0.5, 0.5, 2e-5])}, "do not sum to 1 within 1e-5, first row 0"),
        ({"probabilities": LOGITS + 1}, "probabilities: 4 rows do not sum to 1"),
        ({"logits": LOGITS, "embeddings": LOGITS[:2]}, "embeddings: 2 rows; the dataset has 4"),
        ({"logits": LOGITS, "embeddings": LOGITS * np.nan}, "embeddings: NaN or infinite in 4 rows"),
        ({"logits": LOGITS, "labels": LABELS[:3]}, r"labels: shape \(3,\); the dataset has \(4,\)"),
        ({"logits": LOGITS, "labels": LABELS[::-1]}, "labels: 2 of 4 differ from the dataset's, first row 1"),
    ],
)
def test_refuses(arrays, message):
    with pytest.raises(DataError, match=message) as refusal:
        check_predictions(arrays, LABELS, 3)
    assert "\n" not in str(refusal.value)
