"""Which CUDA devices a machine's stages share: each worker process sees one of them, or none."""

import os
from collections.abc import Mapping

from augdistill.base.errors import ConfigError
from augdistill.config.executors import Executor
from augdistill.study.plan import Plan


def check_cuda(plan: Plan, executor: Executor) -> None:
    """Raise ConfigError if a plan asks for CUDA, and is to run on this machine, which has none."""
    runtime = plan.choices[0].runtime  # a study has one
    asked = {"device": runtime.device == "cuda", "cuda_graphs": runtime.cuda_graphs == "true"}
    key = next((key for key in asked if asked[key]), None)
    if key is None or executor.name != "local":
        return
    from torch import cuda

    if not cuda.is_available():
        typed = f"study.runtime.{key}={getattr(runtime, key)}"
        raise ConfigError(f"{typed}, but PyTorch sees no CUDA device here: study.runtime.{key}=auto")


def devices(plan: Plan) -> list[str]:
    """Return the CUDA devices for a plan's stages, none where it asks for the CPU or there are none."""
    if all(stage.config.runtime.device == "cpu" for stage in plan.stages):
        return []
    from torch import cuda

    return names(cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def names(count: int, visible: str | None) -> list[str]:
    """Return what CUDA_VISIBLE_DEVICES calls `count` devices: the entries of its value, if it has one, else numbers.

    Entries may be UUIDs; a process that is to see only some of what this one sees needs their own names.
    """
    listed = [entry.strip() for entry in visible.split(",")] if visible else [str(index) for index in range(count)]
    return listed[:count]


def least_busy(running: Mapping[str, int], per_device: int) -> str | None:
    """Return the device with the fewest stages, the first of equals, or None where all have `per_device`."""
    device = min(running, key=lambda name: running[name])
    return device if running[device] < per_device else None
