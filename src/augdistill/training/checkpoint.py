"""Checkpoints: everything the loop needs to go on from a step as if it had never stopped.

Chance is a function of seed and epoch, so the state is the weights, the momentum, the running sums of the epoch and the
step. A checkpoint's name carries the beginning of its SHA-256; two are kept, and one that does not match its name is
passed over for the one before.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge
from pydantic import AllowInfNan, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from augdistill.base.files import write_atomic
from augdistill.base.model import Integer, Many, Name, Real, Record, validated
from augdistill.base.reading import MAX_TEXT, opened, tensors_header

log = logging.getLogger(__name__)

FOLDER = ".checkpoints"
NAMED = "[0-9]" * 9 + "-" + "[0-9a-f]" * 16 + ".safetensors"
KEPT = 2
TOTALS = 4  # the running sums of an epoch, of one model or of each in a bank: loss, its two parts, clipped steps
KEPT_AS_JSON = ("step", "seconds", "history")  # of the state; the rest are tensors


@dataclass
class State:
    """Where training stands: steps done, the epoch's sums and seconds, finished epochs' rows, best weights if kept."""

    step: int = 0
    totals: Tensor | None = None
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)


class SavedFacts(Record):
    """Where a run began to train, and what is known of that machine."""

    model_config = ConfigDict(extra="allow")

    device: str
    precision: str
    threads: Integer


class SavedState(Record):
    """What of a state stands in a checkpoint beside the tensors; older versions wrote no seconds."""

    step: Annotated[Integer, Ge(0)]
    seconds: Real = 0.0
    history: Many[dict[Name, int | Annotated[float, AllowInfNan(True)]]]
    facts: SavedFacts


def save_checkpoint(
    run: Path, model: nn.Module, optimizer: torch.optim.SGD, state: State, facts: dict[str, Any]
) -> None:
    """Write a checkpoint below the run's folder and delete all but the newest two."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    names = [name for name, _ in model.named_parameters()]
    buffers = (optimizer.state[value].get("momentum_buffer") for value in model.parameters())
    tensors |= {f"momentum.{name}": value for name, value in zip(names, buffers, strict=True) if value is not None}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    if state.totals is not None:
        tensors["totals"] = state.totals
    kept = {key: getattr(state, key) for key in KEPT_AS_JSON}
    content = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        {"state": json.dumps({**kept, "facts": facts})},
    )
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    write_atomic(folder / f"{state.step:09d}-{hashlib.sha256(content).hexdigest()[:16]}.safetensors", content)
    for old in sorted(folder.glob(NAMED))[:-KEPT]:
        old.unlink()


def load_checkpoint(run: Path, model: nn.Module, optimizer: torch.optim.SGD) -> tuple[State, dict[str, Any]] | None:
    """Load the newest sound checkpoint into model and optimizer; None where there is none."""
    weights = sum(value.nbytes for value in model.state_dict().values())
    for path in sorted((run / FOLDER).glob(NAMED), reverse=True):
        try:
            with opened(path, 3 * weights + MAX_TEXT) as file:  # weights, momentum, best weights; the history
                content = file.read()
        except (OSError, ValueError) as error:
            log.warning("%s is no checkpoint of this run (%s); going on from the one before it", path, error)
            continue
        if hashlib.sha256(content).hexdigest()[:16] != path.stem.rsplit("-", 1)[-1]:
            log.warning("%s is damaged; going on from the checkpoint before it", path)
            continue
        try:
            return restore(content, model, optimizer)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            log.warning("%s does not fit this run (%s); going on from the checkpoint before it", path, error)
    return None


def restore(content: bytes, model: nn.Module, optimizer: torch.optim.SGD) -> tuple[State, dict[str, Any]]:
    """Put one checkpoint's tensors into model and optimizer, and return the state and facts beside them."""
    saved = validated(SavedState, json.loads(tensors_header(content)["__metadata__"]["state"]))
    tensors = load(content)

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    weights, momentum, best, totals = part("model."), part("momentum."), part("best."), tensors.get("totals")
    wanted = forms(model.state_dict())
    fits = (
        forms(weights) == wanted and forms(momentum).items() <= wanted.items() and (not best or forms(best) == wanted)
    )
    if not fits or (totals is not None and (totals.shape[-1:] != (TOTALS,) or totals.dim() > 2)):
        raise ValueError("its tensors are not those of the model")
    model.load_state_dict(weights)
    for name, value in model.named_parameters():
        if name in momentum:
            # In the memory format of the weights: the fused update goes through memory, not through indices.
            optimizer.state[value]["momentum_buffer"] = torch.empty_like(value).copy_(momentum[name])
    kept = {key: getattr(saved, key) for key in KEPT_AS_JSON}
    return State(**{**kept, "history": list(saved.history)}, totals=totals, best=best), saved.facts.plain()


def forms(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Return the shapes and types of tensors by name."""
    return {name: (value.shape, value.dtype) for name, value in tensors.items()}


def drop_checkpoints(run: Path) -> None:
    """Delete a finished run's checkpoints."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)
