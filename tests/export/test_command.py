"""A run leaves as a file that predicts the same: where there is no torch, too."""

import json
import subprocess
import sys

import numpy as np
import pytest

from augdistill.base.errors import WorkError
from augdistill.export import command
from augdistill.export.formats import FORMATS
from augdistill.stages import common, student
from augdistill.stages.classifier import load_model
from command_line import assert_refused, files
from core import student_config

WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = None
import numpy as np, onnxruntime
path, images, labels = sys.argv[1:]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
logits = session.run(None, {"images": np.load(images)})[0]
said = session.get_modelmeta().custom_metadata_map
print(json.dumps([float((logits.argmax(1) == np.load(labels)).mean()), json.loads(said["class_names"]), said["run"]]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The outputs folder of a LeNet from labels, and the run."""
    outputs = tmp_path_factory.mktemp("export") / "outputs"
    return outputs, student.run(student_config(outputs, "distillation.alpha=0"))


@pytest.mark.slow
def test_onnx_runs_without_torch_and_is_as_accurate(made, run_here, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    outputs, run = made
    ended = run_here(["export", run.path.name, "int8=true"], outputs.parent)
    assert ended.code == 0, ended.stderr
    images = common.dataset_images(run.config, "test")
    np.save(tmp_path / "images.npy", images.images)
    np.save(tmp_path / "labels.npy", images.labels)
    path = outputs / "exports" / run.path.name / "model.onnx"
    words = [path, tmp_path / "images.npy", tmp_path / "labels.npy"]
    told = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *words], capture_output=True, text=True, check=True)
    accuracy, classes, name = json.loads(told.stdout)
    assert f"digits-test), accuracy {100 * accuracy:.2f} %; largest logit difference" in ended.stdout
    assert classes == list(load_model(run).class_names)
    assert name == run.path.name
    assert "model-int8.onnx: " in ended.stdout
    assert (path.parent / "model-int8.onnx").stat().st_size < path.stat().st_size


def test_weights_leave_with_their_preprocessing_and_costs(made, monkeypatch):
    from safetensors import safe_open

    from augdistill.export import costs

    monkeypatch.setattr(costs, "SECONDS", 0.0)
    outputs, run = made
    lines = command.export(run.path.name, outputs, "safetensors", benchmark=True)
    assert "the same predictions on all 360 images" in lines[1]
    assert "MACs" in lines[-1]
    folder = outputs / "exports" / run.path.name
    with safe_open(folder / "model.safetensors", "np") as file:
        assert {"scale", "shift", "model.head.weight"} <= set(file.keys())
        assert file.metadata()["run_id"] == run.id
    assert json.loads((folder / "costs-safetensors.json").read_text())[0]["parameters"] > 0


def test_a_file_that_predicts_otherwise_is_not_kept(made, monkeypatch):
    outputs, run = made
    kind = FORMATS["torchscript"]
    wrong = type(kind)(kind.ending, kind.write, lambda *words: lambda images: np.zeros((len(images), 10), np.float32))
    monkeypatch.setitem(FORMATS, "torchscript", wrong)
    before = files(outputs)
    with pytest.raises(WorkError, match="the written model predicts otherwise for"):
        command.export(run.path.name, outputs, "torchscript")
    assert files(outputs) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["export"], "export which run?"),
        (["export", "nothing"], "no run is called nothing"),
        (["export", "RUN", "format=onx"], "did you mean onnx?"),
        (["export", "RUN", "format=torchscript", "int8=true"], "int8=true is for format=onnx alone"),
    ],
)
def test_refused_in_one_line_with_nothing_written(made, words, told, run_here):
    outputs, run = made
    before = files(outputs)
    assert_refused(run_here([run.path.name if word == "RUN" else word for word in words], outputs.parent), told)
    assert files(outputs) == before
