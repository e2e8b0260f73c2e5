"""Tables of logits and probabilities from elsewhere: the same rows from each format, in any order, and no others."""

import numpy as np
import pytest

from augdistill.base.errors import DataError, RequestError
from augdistill.stages.imported.answers import read_answers

CLASSES = ("cat", "dog", "eel")
FILES = ["cat/a.png", "cat/b.png", "dog/a.png", "eel/a.png"]
LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
SHUFFLED = [2, 0, 3, 1]


def write_csv(path, header, rows):
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")


def read(path):
    return read_answers(path, 4, CLASSES, lambda: FILES)


def test_every_format_and_order_gives_the_same_logits(tmp_path):
    np.save(tmp_path / "a.npy", LOGITS.astype(np.float64))
    np.savez(tmp_path / "b.npz", logits=LOGITS[SHUFFLED], index=np.array(SHUFFLED))
    np.savez(tmp_path / "c.npz", logits=LOGITS[SHUFFLED], name=np.array(FILES)[SHUFFLED])
    write_csv(tmp_path / "d.csv", ["eel", "name", "cat", "dog"],
              [[LOGITS[row, 2], FILES[row], *LOGITS[row, :2]] for row in SHUFFLED])  # fmt: skip
    write_csv(tmp_path / "e.csv", [0, 1, 2], LOGITS)
    told = {"a.npy": "the data set's order", "b.npz": "index", "c.npz": "name", "d.csv": "name"}
    for name in ("a.npy", "b.npz", "c.npz", "d.csv", "e.csv"):
        found = read(tmp_path / name)
        assert found.logits.dtype == np.float32
        assert np.abs(found.logits - LOGITS).max() < 1e-6
        assert (found.were, found.ordered_by) == ("logits", told.get(name, "the data set's order"))


def test_probabilities_become_logits_with_the_same_softmax(tmp_path):
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    shares[0] = [1, 0, 0]
    np.save(tmp_path / "p.npy", shares)
    found = read(tmp_path / "p.npy")
    assert found.were == "probabilities"
    again = np.exp(found.logits) / np.exp(found.logits).sum(axis=1, keepdims=True)
    assert np.abs(again - shares).max() < 1e-6
    assert np.isfinite(found.logits).all()


def test_what_does_not_fit_is_refused_in_one_line(tmp_path):
    nan = LOGITS.copy()
    nan[2, 1] = np.nan
    arrays = {
        "count.npz": ({"logits": LOGITS[:3]}, "3 rows of 3; the data set has 4 training images and 3 classes"),
        "classes.npz": ({"logits": LOGITS[:, :2]}, "4 rows of 2"),
        "nan.npz": ({"logits": nan}, "NaN or infinite numbers in 1 rows, first row 2"),
        "sums.npz": ({"probabilities": np.full((4, 3), 0.5)}, "do not sum to 1"),
        "twice.npz": ({"logits": LOGITS, "index": np.array([0, 1, 1, 3])}, "index 1 is there twice, in rows 1 and 2"),
        "unknown.npz": ({"logits": LOGITS, "index": np.array([0, 1, 2, 4])}, "index 4 is of no training image"),
        "file.npz": ({"logits": LOGITS, "name": np.array([*FILES[:3], "eel/b.png"])}, "eel/b.png is of no training"),
        "keys.npz": ({"logits": LOGITS, "index": np.arange(3)}, "one for each of 4 rows"),
        "none.npz": ({"scores": LOGITS}, "one of logits, probabilities"),
    }
    for name, (content, words) in arrays.items():
        np.savez(tmp_path / name, **content)
        with pytest.raises((DataError, RequestError), match=words) as refusal:
            read(tmp_path / name)
        assert "\n" not in str(refusal.value)
    tables = {
        "names.csv": (["cat", "dgo", "eel"], r"the column 'dgo' \(did you mean dog\?\)"),
        "headless.csv": ([0.5, 1.5, 2.5], "its first line names the columns"),
    }
    for name, (header, words) in tables.items():
        write_csv(tmp_path / name, header, LOGITS)
        with pytest.raises((DataError, RequestError), match=words):
            read(tmp_path / name)
    write_csv(tmp_path / "short.csv", CLASSES, [[1, 2, 3], [1, 2]])
    with pytest.raises(DataError, match="line 3 has another number of cells"):
        read(tmp_path / "short.csv")
    for name, words in (("a.pkl", "is no .npy, .npz or .csv"), ("a.npy", "is not a file")):
        with pytest.raises(RequestError, match=words):
            read(tmp_path / name)
