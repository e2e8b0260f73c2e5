"""State dicts that somebody else saved: read as tensors and no more, and compared with the model they are to fit."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from augdistill.base.checks import nearest
from augdistill.base.errors import AugdistillError, ModelError
from augdistill.base.reading import MAX_FILE, in_short, opened

INSIDE = ("state_dict", "model_state_dict", "model")  # where training scripts keep the weights beside other things
PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name
ADVICE = "save the weights alone, by safetensors.torch.save_file or torch.save(model.state_dict(), FILE)"
COUNTED = "num_batches_tracked"  # of batch norm, which no prediction reads and older files lack


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the weights in a safetensors file, or in one of torch's that holds tensors alone; nothing is executed.

    Raises ModelError for a file that is not there, is damaged, or holds pickled objects.
    """
    if "://" in str(path):
        raise ModelError(f"weights={path} is an address, and nothing is downloaded: fetch the file and name it")
    try:
        with opened(path, MAX_FILE) as file:
            content = file.read()
        found = loaded(content, path.suffix == ".safetensors")
    except FileNotFoundError:
        raise ModelError(f"weights={path} is not a file; nothing is downloaded: {ADVICE}") from None
    except AugdistillError:
        raise
    except Exception as error:  # what readers of archives raise on damaged files is almost anything
        raise ModelError(f"weights={path} cannot be read ({in_short(error)[:60]}): {ADVICE}") from None
    state = {name.removeprefix(prefix): value for name, value in found.items() for prefix in [common_prefix(found)]}
    broken = next((name for name, value in state.items() if not value.isfinite().all()), None)
    if broken is not None:
        raise ModelError(f"weights={path}: {broken[:80]} holds NaN or infinite numbers")
    return state


def loaded(content: bytes, is_safetensors: bool) -> dict[str, Tensor]:
    """Return the tensors that a file's content holds by name; raises ModelError for what is no mapping of tensors."""
    if is_safetensors:
        from safetensors.torch import load

        return load(content)
    held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    for key in INSIDE:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping) or not held or not all(isinstance(value, Tensor) for value in held.values()):
        raise ModelError(f"the file holds no state dict, names with tensors: {ADVICE}")
    return {str(name): value for name, value in held.items()}


def common_prefix(names: Iterable[str]) -> str:
    """Return what of PREFIXES stands before all names."""
    return next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in names)), "")


def load_state(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load weights into the model `what`; ModelError, with the nearest name, for any that does not fit."""
    wanted = model.state_dict()
    complete = {name: value for name, value in wanted.items() if name.endswith(COUNTED)} | dict(state)
    for name, value in wanted.items():
        if name not in complete:
            raise ModelError(f"the weights fit no {what}: they have no {name}{nearest(name, complete)}")
        if complete[name].shape != value.shape:
            theirs, ours = list(complete[name].shape), list(value.shape)
            raise ModelError(f"the weights fit no {what}: {name} is {theirs}, and {ours} is needed")
    unknown = next((name for name in complete if name not in wanted), None)
    if unknown is not None:
        raise ModelError(f"the weights fit no {what}: it has no {unknown[:80]}{nearest(unknown, wanted)}")
    model.load_state_dict({name: complete[name].to(value.dtype) for name, value in wanted.items()})


def state_digest(model: nn.Module) -> str:
    """Return the SHA-256 of a model's weights, names and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
