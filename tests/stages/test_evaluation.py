"""The evaluation stage: what is stored, what it is scored by, on test sets that are there, missing, or arrive later."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

import core
import data_files
from augdistill.base.errors import DataError, RequestError, RunError
from augdistill.config.jobs import DataOf, DatasetAt
from augdistill.metrics import score
from augdistill.stages import common, completion, evaluation, making, names, student, teacher
from augdistill.store.runs import Run, RunStore
from core import flip_bit, predictions, student_config, teacher_config, weights

CIFAR = ("dataset=cifar10", "dataset.verify=false", "dataset.validation=0", "teacher.width=4", "runtime.precision=fp32")


def evaluate(outputs: Path, run: Run, test_set: str = "digits", **changed: Any) -> Run:
    return evaluation.run(names.evaluation_config(run.path.name, test_set, str(outputs), **changed))


def metrics(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder with a teacher, its student, and a student on labels alone, with validation splits."""
    outputs = tmp_path_factory.mktemp("digits")
    teacher.run(teacher_config(outputs, "optim.epochs=6"))
    for alpha in (0.5, 0):
        student.run(student_config(outputs, "teacher_optim.epochs=6", f"distillation.alpha={alpha}"))
    return outputs


def run_of(outputs: Path, kind: str, word: str = "baseline") -> Run:
    (found,) = [run for run in RunStore(outputs).all(kind) if f"-{word}-" in run.path.name]
    return found


@pytest.fixture(scope="module")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in the publishers' formats, with noise: 10,000 test images of CIFAR-10, CINIC-10, CIFAR-10H."""
    root = tmp_path_factory.mktemp("data")
    data_files.write_cifar10(root)
    content = {"data": data_files.pixels(10_000, 3072, seed=9), "labels": data_files.labels(10_000, 9).tolist()}
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    data_files.write_cinic10(root)
    data_files.write_cifar10h(root, data_files.human_probabilities())
    return root


@pytest.fixture(scope="module")
def cifar_run(cifar: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A student on CIFAR-10, labels alone, not validated; its outputs folder may be added to."""
    outputs = tmp_path_factory.mktemp("cifar")
    words = (*CIFAR, f"dataset.root={cifar}", "distillation.alpha=0", "optim.epochs=2")
    return student.run(student_config(outputs, *words))


def naive_predictions(run: Run, images: np.ndarray, mean: Any, std: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a student's logits and embeddings in float64 from its weights and uint8 images."""
    network = making.build(run.config, images.shape[1:], 10).double().eval()
    network.load_state_dict({name: value.double() for name, value in weights(run).items()})
    pixels = (torch.from_numpy(np.array(images)).double() / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(
        std
    )[:, None, None]
    with torch.no_grad():
        return tuple(value.numpy() for value in network(pixels))


@pytest.mark.parametrize(("kind", "word"), [("teacher", "baseline"), ("student", "baseline"), ("student", "labels")])
def test_the_metrics_are_those_of_the_stored_predictions(kind: str, word: str, digits: Path) -> None:
    run = run_of(digits, kind, word)
    made = evaluate(digits, run)
    stored = predictions(made)
    images = common.dataset_images(run.config, "test")
    assert np.array_equal(stored["labels"], images.labels)
    assert stored["labels"].dtype == np.int64
    assert stored["logits"].dtype == stored["embeddings"].dtype == np.float32
    assert stored["logits"].shape == (360, 10)
    with np.load(run.path / "validation.npz") as arrays:
        held_out = arrays["logits"], arrays["labels"]
    expected = score(stored["logits"], stored["labels"], embeddings=stored["embeddings"], validation=held_out).to_json()
    found = metrics(made)
    assert found["scalars"].items() >= expected["scalars"].items()
    assert found["arrays"] == expected["arrays"]
    assert (
        found["scalars"]["accuracy"]
        == made.evaluation.accuracy
        == ((stored["logits"].argmax(1) == images.labels).mean())
    )
    if kind == "student":
        logits, embeddings = naive_predictions(run, images.images, images_mean(run), images_std(run))
        np.testing.assert_allclose(stored["logits"], logits, atol=1e-4)
        np.testing.assert_allclose(stored["embeddings"], embeddings, atol=1e-4)


def images_mean(run: Run) -> list[float]:
    return common.dataset_images(run.config).header.mean  # of the training images, not of the test images


def images_std(run: Run) -> list[float]:
    return common.dataset_images(run.config).header.std


def test_the_scaling_temperature_comes_from_the_validation_split(digits: Path, cifar_run: Run) -> None:
    run = run_of(digits, "student", "labels")
    found = metrics(evaluate(digits, run))
    with np.load(run.path / "validation.npz") as arrays:
        logits, labels = arrays["logits"].astype(float), arrays["labels"]

    def nll(log_temperature: float) -> float:
        return -log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean()

    best = float(np.exp(minimize_scalar(nll, bounds=(-4, 6), method="bounded", options={"xatol": 1e-9}).x))
    assert found["scaling"] == "validation"
    assert found["scalars"]["scaling_temperature"] == pytest.approx(best, rel=1e-4)
    outputs = cifar_run.path.parents[1]
    assert metrics(evaluate(outputs, cifar_run, "cifar10"))["scaling"] == "two-fold"


def test_what_a_student_kept_of_its_teacher_is_recorded(digits: Path) -> None:
    resolved = evaluate(digits, run_of(digits, "student"))
    found = metrics(resolved)["scalars"]
    z, t = (predictions(evaluate(digits, run_of(digits, kind)))["logits"] for kind in ("student", "teacher"))
    assert found["teacher_agreement"] == (z.argmax(1) == t.argmax(1)).mean()
    for name, temperature in (("teacher_kl", 1), ("teacher_kl_at_temperature", 20)):
        p, q = softmax(t.astype(float) / temperature, axis=1), softmax(z.astype(float) / temperature, axis=1)
        assert found[name] == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-6)
    for kind, word in (("teacher", "baseline"), ("student", "labels")):
        alone = metrics(evaluate(digits, run_of(digits, kind, word)))["scalars"]
        assert not [name for name in alone if name.startswith("teacher_")]


def test_a_student_whose_teacher_was_removed_is_evaluated_without_it(digits: Path, tmp_path: Path) -> None:
    shutil.copytree(digits / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("evaluation-*"))
    store = RunStore(tmp_path)
    store.remove(run_of(tmp_path, "teacher").path)
    found = metrics(evaluate(tmp_path, run_of(tmp_path, "student")))["scalars"]
    assert "accuracy" in found
    assert "teacher_agreement" not in found


def test_an_evaluation_that_is_there_is_found(digits: Path) -> None:
    run = run_of(digits, "student")
    first = evaluate(digits, run)
    before = {path: path.stat().st_mtime_ns for path in first.path.iterdir()}
    assert evaluate(digits, run, runtime={"device": "cpu", "threads": 1}).manifest == first.manifest
    assert {path: path.stat().st_mtime_ns for path in first.path.iterdir()} == before
    assert evaluate(digits, run, normalisation="own").id != first.id


def test_another_test_set_has_the_training_statistics_unless_its_own_are_asked_for(cifar: Path, cifar_run: Run) -> None:
    outputs = cifar_run.path.parents[1]
    dataset = names.test_dataset("cinic10", cifar_run.config.dataset)
    images = common.dataset_images(DatasetAt(dataset, str(outputs)), "test")
    for how, source in (("training", "cifar10"), ("own", "cinic10")):
        made = evaluate(outputs, cifar_run, "cinic10", normalisation=how)
        stored = predictions(made)
        assert set(stored) == {"logits", "labels"}  # embeddings on the training set's own test set only
        values = core.compose("train-teacher", f"dataset={source}")["dataset"]
        logits, _ = naive_predictions(cifar_run, images.images, values["mean"], values["std"])
        np.testing.assert_allclose(stored["logits"], logits, atol=1e-4)
        assert len(stored["labels"]) == 20
        assert any("20 images" in note for note in made.manifest.provenance.notes)
        assert made.evaluation.test_set == "cinic10-imagenet-test"


def test_people_are_compared_with_the_predictions_of_the_images_they_saw(cifar: Path, cifar_run: Run) -> None:
    outputs = cifar_run.path.parents[1]
    made = evaluate(outputs, cifar_run, "cifar10h")
    human = np.load(cifar / "cifar-10h" / "cifar10h-probs.npy")
    stored = predictions(evaluate(outputs, cifar_run, "cifar10"))
    log_p = log_softmax(stored["logits"].astype(float), axis=1)
    found = metrics(made)["scalars"]
    assert found["human_ce"] == pytest.approx(-(human * log_p).sum(1).mean(), rel=1e-9)
    entropy = -(human * np.log(human)).sum(1).mean()
    assert found["human_entropy"] == pytest.approx(entropy, rel=1e-9)
    assert found["human_kl"] == pytest.approx(found["human_ce"] - entropy, rel=1e-9)
    assert all(name.startswith("human") for name in found)
    assert not (made.path / "predictions.npz").exists()
    assert made.evaluation.test_set == "cifar10h"
    assert [note for note in made.manifest.provenance.notes if "checksums were not verified" in note]


def test_people_are_compared_by_a_newer_metric_too(cifar: Path, cifar_run: Run, tmp_path: Path) -> None:
    outputs = cifar_run.path.parents[1]
    evaluate(outputs, cifar_run, "cifar10")
    made = evaluate(outputs, cifar_run, "cifar10h")
    path = made.path / "metrics.json"
    before = path.read_text()
    content = json.loads(before)
    del content["scalars"]["human_kl"]
    path.write_text(json.dumps(content))
    core.rewrite_manifest(made)
    made = RunStore(outputs).get(made.path.name)
    data_files.write_cifar10h(tmp_path, np.roll(data_files.human_probabilities(), 1, axis=0))
    where = DataOf("", str(outputs))
    with pytest.raises(DataError, match="other answers"):
        completion.complete(made, replace(where, root=str(tmp_path)))
    assert completion.complete(made, where).id == made.id
    assert path.read_text() == before


def test_damaged_predictions_are_not_scored(cifar_run: Run, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    shutil.copytree(cifar_run.path, outputs / "runs" / cifar_run.path.name)
    flip_bit(evaluate(outputs, cifar_run, "cifar10").path / "predictions.npz", 1000)
    with pytest.raises(RunError, match=r"predictions.npz is damaged"):
        evaluate(outputs, cifar_run, "cifar10h")


def test_a_test_set_that_arrives_later_adds_a_folder_and_changes_nothing(cifar: Path, tmp_path: Path) -> None:
    root, outputs = tmp_path / "data", tmp_path / "outputs"
    shutil.copytree(cifar / "cifar-10-batches-py", root / "cifar-10-batches-py")
    words = (*CIFAR, f"dataset.root={root}", "distillation.alpha=0", "optim.epochs=1")
    run = student.run(student_config(outputs, *words))
    own = evaluate(outputs, run, "cifar10")
    for name, arrive in (
        ("cinic10", lambda: data_files.write_cinic10(root)),
        ("cifar10h", lambda: data_files.write_cifar10h(root, data_files.human_probabilities())),
    ):
        before = {path: path.read_bytes() for path in sorted((outputs / "runs").rglob("*")) if path.is_file()}
        with pytest.raises(DataError, match=f"{name} is not in {root}/.*augdistill data fetch {name}"):
            evaluate(outputs, run, name)
        arrive()
        made = evaluate(outputs, run, name)
        after = {path: path.read_bytes() for path in sorted((outputs / "runs").rglob("*")) if path.is_file()}
        assert after.items() > before.items()
        assert {path.parent for path in after.keys() - before.keys()} == {made.path}
    assert evaluate(outputs, run, "cifar10").manifest == own.manifest


def test_data_may_lie_elsewhere_than_when_the_run_was_trained(cifar: Path, cifar_run: Run, tmp_path: Path) -> None:
    outputs = cifar_run.path.parents[1]
    own = evaluate(outputs, cifar_run, "cifar10")
    shutil.copytree(cifar / "cifar-10-batches-py", tmp_path / "cifar-10-batches-py")
    assert evaluate(outputs, cifar_run, "cifar10", root=str(tmp_path)).id == own.id
    with pytest.raises(DataError, match="not the publisher's"):
        evaluate(outputs, cifar_run, "cifar10", root=str(tmp_path), verify=True)


@pytest.mark.parametrize("what", ["evaluation", "outputs"])
def test_only_models_are_evaluated(what: str, digits: Path) -> None:
    evaluate(digits, run_of(digits, "student"))
    made = RunStore(digits).all(what)[0]
    with pytest.raises(RunError, match="no model"):
        evaluate(digits, made)


def test_images_of_other_classes_are_refused(cifar: Path, tmp_path: Path) -> None:
    words = ("dataset.channels=3", f"dataset.root={cifar}", "dataset.verify=false", "optim.epochs=1")
    run = teacher.run(teacher_config(tmp_path, *words))
    with pytest.raises(RequestError, match="classes"):
        evaluate(tmp_path, run, "cifar10")
    assert not RunStore(tmp_path).all("evaluation")
