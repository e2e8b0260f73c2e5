"""The formats that a model leaves in: how each is written, and how it is opened again to be checked.

A written model takes a batch of any size. What opens it gives a function from images to logits, arrays of numpy both.
"""

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augdistill.base.errors import RequestError

Predict = Callable[[np.ndarray], np.ndarray]
MOST = 2**16  # images in a batch, which an exporter wants to know
METADATA = "metadata.json"  # of the files inside torch's archives


@dataclass(frozen=True)
class Format:
    """`write(model, example, path, metadata)`; `opened(path, model, threads)`; the packages that it needs."""

    ending: str
    write: Callable[[nn.Module, Tensor, Path, Mapping[str, str]], None]
    opened: Callable[[Path, nn.Module, int], Predict]
    packages: tuple[str, ...] = ()


def check_installed(name: str) -> None:
    """Raise RequestError, with the command that installs it, unless all is there that a format needs."""
    lacking = [package for package in FORMATS[name].packages if find_spec(package) is None]
    if lacking:
        raise RequestError(f"format={name} needs {', '.join(lacking)}: pip install 'augdistill[export]'")


def traced(model: nn.Module, example: Tensor) -> Any:
    """Return a model as `torch.export` sees it, for batches of any size."""
    batch = torch.export.Dim("batch", min=1, max=MOST)
    several = example.expand(2, *example.shape[1:]).contiguous()  # a size of 1 would be taken for a constant
    return torch.export.export(model, (several,), dynamic_shapes=({0: batch},))


def write_onnx(model: nn.Module, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a model as ONNX by torch's own exporter."""
    with quiet():
        program = torch.onnx.export(
            traced(model, example), (), dynamo=True, input_names=["images"], output_names=["logits"], verbose=False
        )
    assert program is not None
    program.model.metadata_props.update(metadata)
    program.save(path, external_data=False)


def open_onnx(path: Path, model: nn.Module, threads: int) -> Predict:
    """Return what ONNX Runtime computes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0])


def write_int8(source: Path, path: Path) -> None:
    """Write an ONNX file again with weights of 8 bits, whose activations are quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quiet():
        quantize_dynamic(str(source), str(path), weight_type=QuantType.QUInt8)


def write_torchscript(model: nn.Module, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a traced TorchScript archive."""
    with quiet():
        # PyTorch has no types here
        torch.jit.save(torch.jit.trace(model, example), str(path), {METADATA: json.dumps(dict(metadata))})  # type: ignore[no-untyped-call]


def open_torchscript(path: Path, model: nn.Module, threads: int) -> Predict:
    """Return what a TorchScript archive that was just written computes."""
    with quiet():
        # PyTorch has no types here
        return by_torch(torch.jit.load(str(path)), threads)  # type: ignore[no-untyped-call]


def write_torch_export(model: nn.Module, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an archive of `torch.export`."""
    with quiet():
        torch.export.save(traced(model, example), path, extra_files={METADATA: json.dumps(dict(metadata))})


def open_torch_export(path: Path, model: nn.Module, threads: int) -> Predict:
    """Return what an archive of `torch.export` that was just written computes."""
    with quiet():
        return by_torch(torch.export.load(path).module(), threads)


def write_safetensors(model: nn.Module, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
    """Write weights alone; `scale` and `shift` among them are the preprocessing."""
    from safetensors.torch import save_file

    state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    save_file(state, path, dict(metadata))


def open_safetensors(path: Path, model: nn.Module, threads: int) -> Predict:
    """Return what a model computes by the weights in a file that was just written."""
    from safetensors.torch import load_file

    empty = copy.deepcopy(model).to_empty(device="cpu")
    empty.load_state_dict(load_file(path))
    return by_torch(empty, threads)


def by_torch(model: nn.Module, threads: int) -> Predict:
    """Return what a module computes on so many threads."""

    @torch.no_grad()
    def predict(images: np.ndarray) -> np.ndarray:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        logits: Tensor = model(torch.from_numpy(images))
        return logits.numpy()

    return predict


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters say of themselves, deprecations and progress, from who asked for a file."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    logging.getLogger().addFilter(is_ours)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        logging.getLogger().removeFilter(is_ours)


def is_ours(record: logging.LogRecord) -> bool:
    """Return whether no quantiser wrote this, which advises on the root logger."""
    return record.name != "root"


ONNX = ("onnx", "onnxruntime", "onnxscript")
FORMATS = {
    "onnx": Format("onnx", write_onnx, open_onnx, ONNX),
    "torchscript": Format("pt", write_torchscript, open_torchscript),
    "torch-export": Format("pt2", write_torch_export, open_torch_export),
    "safetensors": Format("safetensors", write_safetensors, open_safetensors),
}
