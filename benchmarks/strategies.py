"""The rows of the strategies: images made ready for the model, from uint8 to normalised floats."""

import itertools
from collections.abc import Callable

from torch import Tensor, nn
from torch.utils.data import RandomSampler

from augdistill.stages import common
from augdistill.training.batches import EpochPlan, batch_at, plan_epoch
from augdistill.training.device import Device
from augdistill.training.graphs import stepper
from augdistill.training.loop import Task
from benchmarks import ours
from benchmarks.measure import Side, Sides
from benchmarks.sides import BATCH, Setting, both_ways, device_for, pictures

EPOCHS_ON_GPU = 20  # of all images in a unit


def augmentation(name: str) -> Callable[[Setting], Sides]:
    """Return the row of a strategy, on a GPU also with what is drawn of chance, on the CPU, alone."""

    def sides(setting: Setting) -> Sides:
        draws = {"the draws of ours alone": lambda: our_side(setting, name, False, applied=False)}
        return {
            "torchvision, 2 workers": lambda: their_side(setting, name),
            **both_ways(setting, "ours", lambda graphs: our_side(setting, name, graphs)),
            **(draws if setting.on_gpu else {}),
        }

    return sides


def their_side(setting: Setting, name: str) -> Side:
    """Return torchvision's side, the images on the device."""
    from benchmarks import conventional

    images, count = setting.data(), setting.count(50 * BATCH)
    sampler = RandomSampler(range(len(images.images)), num_samples=count)
    batches = conventional.loader(
        pictures(setting, images, name), name, 2, sampler, batch_size=setting.batch, pin_memory=setting.on_gpu
    )
    return lambda: float(sum(len(pixels.to(setting.device, non_blocking=True)) for pixels, _ in batches))


def our_side(setting: Setting, name: str, graphs: bool, applied: bool = True) -> Side:
    """Return our side: batches of as many epochs as make a unit, made as training makes them, eager or by replays."""
    device = device_for(setting, "bf16", setting.threads, graphs)
    work, numbers = task_for(setting, name, device), itertools.count()

    def make(plan: EpochPlan, part: slice | Tensor) -> None:
        batch_at(work.training, work.ops, plan, part)

    take = stepper(make, list, device)  # nothing that a step changes is compared: gates do

    def side() -> float:
        epochs = EPOCHS_ON_GPU if setting.on_gpu else 1
        for _ in range(epochs):
            plan = plan_epoch(work.training, work.ops, 0, "student", next(numbers), setting.batch, False)
            for index in range(len(plan.offsets) - 1) if applied else ():
                take(plan, index)
        return epochs * len(work.training)

    return side


def task_for(setting: Setting, name: str, device: Device) -> Task:
    """Return the images and the strategy, for no model."""
    images = setting.data()
    data = common.on_device(images, ours.statistics(images), device)
    data = ours.part(data, setting.count(len(data.images)))
    return ours.task(nn.Identity(), data, {}, device, ops=ours.ops(name))
