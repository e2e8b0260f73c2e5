"""Predictions that something else made: scored as our own are, or refused in one line."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

import core
import data_files
from augdistill.base.errors import ConfigError, DataError, RequestError
from augdistill.config.checking import typed
from augdistill.config.commands import EvaluateCommand
from augdistill.data import load
from augdistill.stages import evaluation, names, student
from augdistill.stages.predictions import score_file
from core import predictions, student_config
from hostile.corpus import bounded_memory, npy, unpacking_to

COUNT = 360  # test images of digits


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return np.array(load("digits", "test", root=Path("data"), cache=tmp_path_factory.mktemp("cache")).labels)


@pytest.fixture
def logits(labels: np.ndarray) -> np.ndarray:
    """Logits that are right more often than not, float32 [360, 10]."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(COUNT, 10)) * 2 + 3 * np.eye(10)[labels]).astype(np.float32)


def configured(path: Path, outputs: Path, dataset: str = "digits", *words: str) -> EvaluateCommand:
    config = core.compose("evaluate", f"dataset={dataset}", *words)
    return typed(EvaluateCommand, {**config, "predictions": str(path), "outputs": str(outputs)})


def scored(folder: Path, name: str = "theirs", **arrays: Any) -> dict[str, float]:
    """Save arrays as FOLDER/NAME.npz and return their scores on digits."""
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    return score_file(configured(path, folder / "outputs"))["digits-test"].scalars


def refusal(folder: Path, **arrays: Any) -> str:
    """Return what is said of arrays that are refused, having seen that nothing was written for them."""
    with pytest.raises(RequestError) as raised:
        scored(folder, **arrays)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2
    assert not (folder / "outputs" / "predictions").exists()
    return str(raised.value)


def test_they_are_scored_as_the_same_predictions_of_our_own(tmp_path: Path) -> None:
    run = student.run(student_config(tmp_path, "distillation.alpha=0", "dataset.validation=0", "optim.epochs=1"))
    made = evaluation.run(names.evaluation_config(run.path.name, "digits", str(tmp_path)))
    own = json.loads((made.path / "metrics.json").read_text())
    arrays = predictions(made)
    theirs = scored(tmp_path, **arrays)
    assert theirs == pytest.approx({name: own["scalars"][name] for name in theirs}, rel=1e-9)
    (path,) = (tmp_path / "outputs" / "predictions").glob("theirs-*-digits-test.json")
    written = json.loads(path.read_text())
    assert written["scalars"] == theirs
    assert written["arrays"]["confusion"] == own["arrays"]["confusion"]
    from_file = score_file(configured(made.path / "predictions.npz", tmp_path / "outputs"))
    assert from_file["digits-test"].scalars == theirs


def test_probabilities_score_as_the_logits_that_they_came_from(logits, labels, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(COUNT, 12))
    by_logits = scored(tmp_path, logits=logits, embeddings=embeddings)
    probabilities = softmax(logits.astype(float), axis=1)
    by_probabilities = scored(tmp_path, probabilities=probabilities, embeddings=embeddings, labels=labels)
    for name, value in by_logits.items():
        assert by_probabilities[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert by_probabilities.keys() - by_logits.keys() == {"nll_clipped", "nll_zeros"}
    expected = -log_softmax(logits.astype(float), axis=1)[np.arange(COUNT), labels].mean()
    assert by_logits["nll"] == pytest.approx(expected, rel=1e-12)


def test_files_of_one_name_keep_their_own_scores(logits, tmp_path: Path) -> None:
    """The same file scored twice is one document, another file of its name a second."""
    found = {}
    for folder, values in (("r1", logits), ("r2", -logits), ("r1", logits)):
        (tmp_path / folder).mkdir(exist_ok=True)
        np.savez(tmp_path / folder / "preds.npz", logits=values)
        scores = score_file(configured(tmp_path / folder / "preds.npz", tmp_path / "outputs"))
        found[folder] = scores["digits-test"].scalars["accuracy"]
    written = [json.loads(path.read_text()) for path in (tmp_path / "outputs" / "predictions").glob("preds-*.json")]
    assert sorted(document["scalars"]["accuracy"] for document in written) == sorted(found.values())
    assert len(set(found.values())) == 2


def test_a_long_name_is_shortened_for_its_scores(logits, tmp_path: Path) -> None:
    np.savez(tmp_path / f"{'ü' * 120}.npz", logits=logits)
    score_file(configured(tmp_path / f"{'ü' * 120}.npz", tmp_path / "outputs"))
    (path,) = (tmp_path / "outputs" / "predictions").iterdir()
    assert path.name.startswith("ü" * 50 + "-")


def test_rows_that_no_test_set_has_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    head = npy((10**9, 1), "|i1")
    written(tmp_path / "theirs.npz", unpacking_to(len(head) + 10**9, head))
    config = configured(tmp_path / "theirs.npz", tmp_path / "outputs")
    load("digits", "test", root=Path("data"), cache=tmp_path / "outputs" / "cache")
    with bounded_memory(), pytest.raises(DataError, match="1000000000 rows; the dataset has 360 samples"):
        score_file(config)


def test_a_probability_of_zero_is_scored_strictly_and_clipped(logits, labels, tmp_path: Path) -> None:
    probabilities = np.eye(10)[labels]
    wrong = probabilities.copy()
    wrong[:7] = np.roll(wrong[:7], 1, axis=1)
    found = scored(tmp_path, probabilities=wrong)
    assert found["nll"] == np.inf
    assert found["nll_zeros"] == 7
    assert found["nll_clipped"] == pytest.approx(7 / COUNT * -np.log(1e-12), rel=1e-6)
    (path,) = (tmp_path / "outputs/predictions").glob("theirs-*-digits-test.json")
    assert json.loads(path.read_text())["scalars"]["nll"] == "inf"
    assert scored(tmp_path, probabilities=probabilities)["nll"] == 0


def test_people_are_compared_with_them_where_their_labels_are(tmp_path: Path) -> None:
    root, outputs = tmp_path / "data", tmp_path / "outputs"
    data_files.write_cifar10(root)
    count = 20  # images in the test batch
    path = tmp_path / "theirs.npz"
    logits = np.random.default_rng(0).normal(size=(count, 10))
    np.savez(path, logits=logits)
    where = (f"dataset.root={root}", "dataset.verify=false")
    config = configured(path, outputs, "cifar10", *where)
    assert set(score_file(config)) == {"cifar10-test"}
    human = data_files.human_probabilities()
    data_files.write_cifar10h(root, human)
    with pytest.raises(DataError, match=r"human labels of shape \(10000, 10\); \(20, 10\) is needed"):
        score_file(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z: {"logits": z[:-1]}, "logits: 359 rows; the dataset has 360 samples"),
        (lambda z: {"logits": z[:, :9]}, "logits: 9 classes; the dataset has 10"),
        (lambda z: {"logits": z[0]}, "logits: shape"),
        (lambda z: {"logits": np.where(np.arange(10) == 3, np.nan, z)}, "NaN or infinite in 360 rows, first row 0"),
        (lambda z: {"logits": np.where(np.arange(10) == 3, np.inf, z)}, "NaN or infinite in 360 rows"),
        (lambda z: {"logits": z.astype(str)}, "logits: values of type <U"),
        (lambda z: {"logits": z + 1j}, "logits: values of type complex"),
        (lambda z: {"logits": z, "probabilities": softmax(z, axis=1)}, "both 'logits' and 'probabilities' are there"),
        (lambda z: {"embeddings": z}, "'logits' or 'probabilities' is missing"),
        (lambda z: {}, "'logits' or 'probabilities' is missing"),
        (lambda z: {"logits": z, "weights": z}, "unknown array 'weights'; allowed are logits, probabilities, embedd"),
        (lambda z: {"probabilities": z}, "probabilities: negative in"),
        (lambda z: {"probabilities": np.full_like(z, 0.11)}, "360 rows do not sum to 1 within 1e-5, first row 0"),
        (lambda z: {"logits": z, "labels": np.zeros(COUNT, int)}, "differ from the dataset's"),
        (lambda z: {"logits": z, "labels": np.zeros(9, int)}, "labels: shape"),
        (lambda z: {"logits": z, "embeddings": z[:5]}, "embeddings: 5 rows; the dataset has 360 samples"),
        (lambda z: {"logits": z, "embeddings": z * np.nan}, "embeddings: NaN or infinite"),
    ],
)
def test_what_cannot_be_predictions_of_the_test_set_is_refused(change, message: str, logits, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, **change(logits))


class Runs:
    """What a pickle in a file would run."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch, (Path("ran"),))


def test_a_pickle_in_the_file_is_never_loaded(logits, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cannot be read" in refusal(tmp_path, logits=logits, embeddings=np.array([Runs()], dtype=object))
    assert not Path("ran").exists()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(200), b"\x80\x04N.", b"text", bytes(1000)])
def test_a_file_that_is_no_npz_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read") as raised:
        score_file(configured(written(tmp_path / "theirs.npz", content), tmp_path / "outputs"))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "outputs").exists()


def test_one_array_without_a_name_is_refused(logits, tmp_path: Path) -> None:
    np.save(tmp_path / "theirs.npy", logits)
    with pytest.raises(RequestError, match="holds one array without a name"):
        score_file(configured(tmp_path / "theirs.npy", tmp_path / "outputs"))


def test_damage_anywhere_in_the_file_is_refused_or_harmless(logits, labels, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "theirs.npz", logits=logits[:, :])
    content = (tmp_path / "theirs.npz").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for offset in rng.integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << int(rng.integers(8))
        config = configured(written(tmp_path / "damaged.npz", bytes(damaged)), tmp_path / "outputs")
        try:
            found = score_file(config)["digits-test"].scalars
        except RequestError:
            refused += 1
        else:  # in a field of the archive that nobody reads
            assert found["accuracy"] == (logits.argmax(1) == labels).mean()
    assert refused > 40
    for end in (10, len(content) // 2, len(content) - 1):
        with pytest.raises(RequestError, match="cannot be read"):
            score_file(configured(written(tmp_path / "damaged.npz", content[:end]), tmp_path / "outputs"))


def test_a_member_that_is_no_array_is_refused(logits, tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", logits=logits)
    with zipfile.ZipFile(tmp_path / "theirs.npz", "a") as archive:
        archive.writestr("labels.txt", "0 1 2")
    with pytest.raises(RequestError, match=r"labels.txt"):
        score_file(configured(tmp_path / "theirs.npz", tmp_path / "outputs"))


def test_what_is_missing_is_named(logits, tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", logits=logits)
    with pytest.raises(RequestError, match="predictions of which dataset"):
        score_file(configured(tmp_path / "theirs.npz", tmp_path / "outputs", "as-trained"))
    with pytest.raises(RequestError, match=r"is not a file: name an .npz with logits or probabilities"):
        score_file(configured(tmp_path / "nothing.npz", tmp_path / "outputs"))
    with pytest.raises(DataError, match="mnist is not in"):
        score_file(configured(tmp_path / "theirs.npz", tmp_path / "outputs", "mnist", f"dataset.root={tmp_path}"))
    with pytest.raises(ConfigError, match=r"dataset.size=7 is out of range"):
        score_file(configured(tmp_path / "theirs.npz", tmp_path / "outputs", "digits", "dataset.size=7"))
    assert not (tmp_path / "outputs").exists()
