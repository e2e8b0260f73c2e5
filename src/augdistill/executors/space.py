"""The space that a plan's stages will need below the outputs folder, known before they run."""

import json
import shutil
from collections.abc import Mapping
from typing import Any

from augdistill.base.errors import RequestError
from augdistill.config.executors import Executor
from augdistill.config.groups import Model
from augdistill.config.jobs import CostsConfig, DatasetAt, EvaluationConfig, ModelConfig, ShiftConfig
from augdistill.data import HUMAN_LABELS, Header
from augdistill.stages import names
from augdistill.store.runs import RunStore
from augdistill.study.plan import Plan
from augdistill.study.stage import Stage

FILES = 50_000  # bytes of a run's manifest, config, history and log; about what the largest of ours have
METRICS = 100_000  # bytes of metrics.json
SHIFT = 5_000_000  # bytes of predictions under shift: five for each of 75 x 10,000 corrupted images
REPORT = 50_000_000  # bytes of a report's tables and figures
STATES = 6  # times its weights, that a run has on the disk while it trains: three checkpoints, with momentum

Models = Mapping[str, tuple[int, int]]  # a stage's id -> bytes of its model's weights, width of its embedding


def check_space(plan: Plan, store: RunStore, executor: Executor) -> None:
    """Raise RequestError if the disk has less than what a plan's stages will still write."""
    together = 1 if executor.bank == "auto" else executor.bank  # auto takes models whose checkpoints are small
    needed = needed_bytes(plan, store, max(together, executor.at_once))
    outputs = store.outputs.absolute()
    folder = next(path for path in (outputs, *outputs.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RequestError(
            f"{plan.name} needs about {needed / 1e9:.2f} GB below {store.outputs} and the disk has {free / 1e9:.2f} "
            "GB: make room, or name another disk with outputs="
        )


def needed_bytes(plan: Plan, store: RunStore, workers: int) -> int:
    """Return about how many bytes a plan's stages will still write, with checkpoints of as many as train at once."""
    todo = [stage for stage in plan.stages if store.find(stage.ref) is None]
    if not todo:
        return 0
    data = DatasetAt(plan.study.dataset, str(store.outputs))
    training = names.dataset_header(data)
    tests = {stage.config.test_set for stage in todo if isinstance(stage.config, EvaluationConfig)}
    counts = {name: test_count(name, data) for name in tests}
    models = models_of(plan, training)
    kept = sum(written(stage, training, counts, models) for stage in todo)
    states = [STATES * models[stage.id][0] for stage in todo if stage.id in models]
    at_once = min(workers, len(states))
    return kept + at_once * max(states, default=0) + REPORT


def models_of(plan: Plan, training: Header) -> Models:
    """Return the size of every model that a plan trains; each distinct one is built once, without its weights."""
    sizes: dict[str, tuple[int, int]] = {}
    found = {}
    for stage in plan.stages:
        if stage.kind in ("teacher", "student") and isinstance(stage.config, ModelConfig):
            model = stage.config.model
            key = json.dumps(model.plain())
            if key not in sizes:
                sizes[key] = model_size(model, training)
            found[stage.id] = sizes[key]
    return found


def model_size(model: Model, training: Header) -> tuple[int, int]:
    """Return the bytes of a model's weights and the width of its embedding, from shapes alone."""
    import torch

    from augdistill.models import MODELS

    with torch.device("meta"), torch.no_grad():
        network = MODELS[model.name].network
        built: Any = network(training.shape, len(training.classes), **model.parameters()).eval()
        _, embedding = built(torch.empty(2, *training.shape))
    return sum(value.nbytes for value in built.state_dict().values()), int(embedding.shape[1])


def test_count(test_set: str, data: DatasetAt) -> int:
    """Return the number of images of a test set; none of their own for those that people labelled."""
    if test_set in HUMAN_LABELS:
        return 0
    return names.dataset_header(DatasetAt(names.test_dataset(test_set, data.dataset), data.outputs), "test").count


def written(stage: Stage, training: Header, counts: Mapping[str, int], models: Models) -> int:
    """Return about how many bytes a stage leaves behind."""
    config, row = stage.config, 4 * len(training.classes) + 8
    if isinstance(config, EvaluationConfig):
        width = next((models[parent][1] for parent in stage.parents if parent in models), 0)
        return counts[config.test_set] * (row + 4 * width) + METRICS + FILES
    if isinstance(config, ShiftConfig):
        return SHIFT + METRICS + FILES
    if isinstance(config, CostsConfig):
        return FILES
    if stage.kind == "outputs":
        return training.count * row + METRICS + FILES
    return models[stage.id][0] + config.dataset.validation * row + FILES
