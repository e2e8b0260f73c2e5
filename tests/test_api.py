"""The Python API as docs/python.md shows it: `import augdistill` alone is light, and its example runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import augdistill
import saved_studies
from augdistill import api
from augdistill.base.errors import DataError, RequestError
from augdistill.metrics import score

TEXT = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
LIGHT = """
import sys
import augdistill
assert set(dir(augdistill)) >= {"draw", "load_results", "score_predictions"}
heavy = {"torch", "pandas", "scipy", "matplotlib", "omegaconf"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.slow
def test_the_example_of_the_documents_runs(tmp_path: Path) -> None:
    saved = saved_studies.write_study(
        tmp_path / "outputs", "study=quickstart", "study.blocks=2", "study.corruptions=[]"
    )
    example, training = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", LIGHT + example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    rows = saved.results.query(
        "role == 'student' and metric == 'accuracy' and teacher_aug == 'cutmix' and model == 'lenet'"
    )
    assert f"{rows.value.mean():.6f}" in ran.stdout
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert float(ran.stdout.split()[-2]) == pytest.approx(2 / 3)  # of three samples the last is wrong
    does_what_commands_do(training, tmp_path)


def does_what_commands_do(example: str, folder: Path) -> None:
    """Run the second example of the documents here, and hold its runs against those that words make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made: dict[str, Any] = {}
        exec(example, made)
        words = ["dataset=digits", "aug=cutmix", "dataset.size=16", "teacher.width=4", "optim.epochs=1"]
        again = augdistill.train_teacher(*words)
        assert again.run.id == made["teacher"].run.id
        student = made["student"]
        assert student.predictions()["logits"].shape == (360, 10)
        assert list(student.history.epoch) == [0]
        assert (
            student.metrics["digits-test"]["accuracy"]
            == augdistill.evaluate(student).metrics["digits-test"]["accuracy"]
        )
        assert made["model"].class_names == student.model().class_names
        with pytest.raises(RequestError, match="did you mean cutmix"):
            augdistill.train_teacher("dataset=digits", aug="cutmx")
        with pytest.raises(RequestError, match="there are digits-test"):
            student.predictions("cifar10-test")


def test_the_package_has_what_the_documents_name_and_nothing_more() -> None:
    assert set(re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE)) == set(augdistill.__all__)
    assert all(getattr(augdistill, name) is getattr(api, name) for name in augdistill.__all__)
    with pytest.raises(AttributeError, match="module 'augdistill' has no attribute 'load_result'"):
        augdistill.load_result  # noqa: B018
    columns = re.search(r"columns of the results are (.*?)\. The unit", TEXT, re.DOTALL)
    assert columns is not None
    told = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", columns[1], flags=re.DOTALL))) - {"and"}
    from augdistill.results.frame import ARM

    assert told == {"study", *ARM, "test_set", "metric", "value", "status", "run", "precision"}


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        (["cat", "dog"], {}, "labels: values of type <U3; real numbers are needed"),
        ([True, False], {}, "labels: values of type bool; real numbers are needed"),
        ([0, 1.5], {}, "labels must be whole numbers from 0 to 1; 1 of 2 are not, first row 1 with 1.5"),
        ([0, 2], {}, "labels must be whole numbers from 0 to 1; 1 of 2 are not, first row 1 with 2"),
        ([[1, 0], [0, 1]], {}, r"labels: shape \(2, 2\); one number for each sample is needed"),
        (1, {}, r"labels: shape \(\); one number for each sample is needed"),
        ([0, 1], {"human": [[0.5, 0.6], [0, 1]]}, "human labels: 1 rows do not sum to 1"),
        ([0, 1], {"human": [[float("nan"), 1], [0, 1]]}, "human labels: NaN or infinite in 1 rows, first row 0"),
        ([0, 1], {"embeddings": [[1.0], [1.0, 2.0]]}, "embeddings: no array of numbers can be made of it"),
        ([0, 1], {"embeddings": [[1.0], [float("nan")]]}, "embeddings: NaN or infinite in 1 rows, first row 1"),
        ([], {}, "logits: 2 rows; the dataset has 0 samples"),
    ],
)
def test_arrays_that_are_not_what_they_should_be_are_refused_in_one_line(labels, more, message) -> None:
    with pytest.raises(DataError, match=message) as refusal:
        api.score_predictions(labels, logits=[[2.0, 1.0], [0.0, 1.0]], **more)
    assert "\n" not in str(refusal.value)


def test_whole_floats_are_labels_in_python_as_in_a_file() -> None:
    logits = [[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]]
    found = api.score_predictions([0.0, 1.0, 0.0], logits=logits)
    assert found.scalars == pytest.approx(api.score_predictions([0, 1, 0], logits=logits).scalars, nan_ok=True)
    assert found.scalars["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.slow
def test_results_and_figures_from_python(tiny_study):
    results = api.load_results("tiny", tiny_study)
    assert {"study", "role", "model", "teacher_aug", "block", "test_set", "metric", "value", "status"} <= set(results)
    classes = results[results.metric.str.startswith("class_accuracy[")]
    assert set(classes.metric) == {f"class_accuracy[{digit}]" for digit in range(10)}
    own = results[(results.run == results.run.iloc[0]) & (results.test_set == "digits-test")].set_index("metric").value
    assert own[[f"class_accuracy[{digit}]" for digit in range(10)]].mean() == pytest.approx(own["recall"])
    (figure,) = api.draw("Figure 1", "tiny", tiny_study)
    assert figure.axes[0].get_title() == "ResNet18 teacher"
    with pytest.raises(
        RequestError,
        match="choose one of Effect on students, Factors, Interactions, Effect by cell, Accuracy over values",
    ):
        api.draw("Figure 9", "tiny", tiny_study)
    with pytest.raises(RequestError, match="Figure 4 of tiny cannot be drawn: no run was scored against human labels"):
        api.draw("Figure 4", "tiny", tiny_study)
    with pytest.raises(RequestError, match="no study nowhere"):
        api.load_results("nowhere", tiny_study)


def test_predictions_are_scored_from_python():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    labels[:4] = range(4)
    expected = score(logits, labels).scalars
    assert api.score_predictions(labels, logits=logits).scalars == pytest.approx(expected, nan_ok=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    from_shares = api.score_predictions(labels.tolist(), probabilities=probabilities.tolist()).scalars
    assert from_shares["nll"] == pytest.approx(expected["nll"])
    assert "human_ce" in api.score_predictions(labels, logits=logits, human=probabilities).scalars
    assert "cohesion_corrected" in api.score_predictions(labels, logits=logits, embeddings=logits).scalars
    for wrong in ({}, {"logits": logits, "probabilities": probabilities}, {"logits": 3.0}, {"logits": logits[:9]}):
        with pytest.raises(RequestError):
            api.score_predictions(labels, **wrong)
