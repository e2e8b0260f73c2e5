"""Each format says, opened again, what the model says, of batches of any size; the missing package is named."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from augdistill.base.errors import RequestError
from augdistill.export import formats


class Small(nn.Module):
    """Two layers on flat images."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(12, 4)
        generator = torch.Generator().manual_seed(0)
        self.head.weight.data = torch.randn(4, 12, generator=generator)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images.to(torch.float32).flatten(1) / 255).relu()


@pytest.mark.parametrize("name", formats.FORMATS)
def test_what_is_written_says_the_same_of_any_batch(name, tmp_path):
    kind = formats.FORMATS[name]
    for package in kind.packages:
        pytest.importorskip(package)
    model, path = Small().eval(), tmp_path / f"model.{kind.ending}"
    pixels = np.random.default_rng(0).integers(0, 256, (9, 3, 2, 2), dtype=np.uint8)
    kind.write(model, torch.from_numpy(pixels[:1]), path, {"class_names": '["a", "b"]'})
    predict = kind.opened(path, model, 1)
    weight, bias = (value.detach().double().numpy() for value in model.head.parameters())
    expected = np.maximum(pixels.reshape(9, 12) / 255 @ weight.T + bias, 0)
    for count in (1, 7, 9):
        assert np.abs(predict(pixels[:count]) - expected[:count]).max() < 1e-5
    if name == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == ["a", "b"]


def test_a_package_that_is_missing_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(RequestError, match=r"format=onnx needs onnxruntime: pip install 'augdistill\[export\]'"):
        formats.check_installed("onnx")
    formats.check_installed("torchscript")
