"""A run's model as a module: what it says is what its evaluation saved, and what it takes no more than images."""

import numpy as np
import pytest
import torch

import augdistill
from augdistill.base.errors import ModelError, RunError
from augdistill.config.jobs import EvaluationConfig
from augdistill.stages import evaluation, student
from augdistill.stages.classifier import load_model
from core import flip_bit, fold, predictions, student_config


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A LeNet from labels, its evaluation, and the test images."""
    outputs = tmp_path_factory.mktemp("classifier")
    run = student.run(student_config(outputs, "distillation.alpha=0"))
    evaluated = evaluation.run(EvaluationConfig(run=run.path.name, test_set="digits", outputs=str(outputs)))
    return outputs, run, evaluated


def test_it_says_of_bytes_and_of_normalised_floats_what_the_evaluation_saved(made):
    from augdistill.stages import common

    outputs, run, evaluated = made
    images = common.dataset_images(run.config, "test").images
    model = augdistill.load_model(run.path.name, outputs)
    assert not model.training
    assert model.class_names == tuple(map(str, range(10)))
    assert model.image_shape == run.model.shape
    pixels = torch.from_numpy(np.array(images))
    with torch.no_grad():
        logits = model(pixels)
    assert np.abs(logits.numpy() - predictions(evaluated)["logits"]).max() < 1e-4
    mean, std = fold(run)[0].mean, fold(run)[0].std
    floats = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
    assert torch.allclose(model(floats), logits, atol=1e-4)


def test_what_is_no_image_of_it_is_refused(made):
    model = load_model(made[1])
    channels, side, _ = model.image_shape
    for images, words in (
        (torch.zeros(1, channels + 1, side, side), "images of shape"),
        (torch.zeros(channels, side, side), "this model takes"),
        (torch.zeros(1, channels, side, side, dtype=torch.int64), "give uint8"),
    ):
        with pytest.raises(ModelError, match=words):
            model(images)


def test_a_run_without_a_model_is_refused(made, tmp_path):
    outputs, run, evaluated = made
    with pytest.raises(RunError, match="holds no model"):
        load_model(evaluated)
    with pytest.raises(RunError, match="no run is called nothing"):
        load_model("nothing", tmp_path)
    weights = run.path / "weights.safetensors"
    before = weights.read_bytes()
    flip_bit(weights)
    with pytest.raises(RunError, match="its checksum differs"):
        load_model(run.path, outputs)
    weights.write_bytes(before)
