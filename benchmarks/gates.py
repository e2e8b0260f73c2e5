"""What has to hold before any figure: both loops compute the same, and bf16 costs no accuracy."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from augdistill.data import ImageSet
from augdistill.metrics import accuracy
from augdistill.stages import common
from augdistill.training.batches import plan_epoch
from augdistill.training.device import Device, resolve
from augdistill.training.loop import Task
from benchmarks import conventional, ours

STEPS, BATCH = 20, 32
RATE = 0.002  # at 0.01 rounding alone grows from 1e-16 to 4e-4 in these 20 steps of a ResNet18


class GateError(Exception):
    """Two ways to compute differ by more than they may."""


def check(name: str, found: float, limit: float) -> str:
    """Return a line that says how far apart two ways are; raises GateError above the limit."""
    if not found <= limit:
        raise GateError(f"{name}: {found:.2g}, allowed {limit:.0e}")
    return f"{name}: {found:.2g} (allowed {limit:.0e})"


def batches(images: ImageSet, work: Task, dtype: torch.dtype) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the batches that our loop sees, made the conventional way, in its order."""
    count, size, statistics = len(work.training), work.recipe["batch_size"], ours.statistics(images)
    transform = conventional.transform("baseline", images.images.shape[-1], **statistics, dtype=dtype)
    pictures = conventional.Pictures(images.images[:count], images.labels[:count], transform)
    for epoch in range(work.recipe["epochs"]):
        plan = plan_epoch(work.training, [], work.seed, work.role, epoch, size, False)
        yield from conventional.loader(pictures, "baseline", 0, plan.order.tolist(), batch_size=size)


def loops_agree(images: ImageSet, name: str, dtype: torch.dtype, steps: int) -> tuple[float, float]:
    """Return the largest differences in the epochs' mean losses and in the weights after `steps` of both loops.

    "lenet" learns from a ResNet18's outputs, cached against live; "resnet18" from labels. An epoch has four steps.
    """
    device = Device(torch.device("cpu"), "fp32", 1)
    epochs, count = max(1, steps // 4), BATCH * min(steps, 4)
    recipe = ours.recipe(name, epochs=epochs, batch_size=BATCH, schedule="constant", warmup_epochs=0, lr=RATE)
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)
    width = {"width": 8} if name == "resnet18" else {}
    mine, theirs = (ours.build(name, images, device, 1, **width).to(dtype) for _ in range(2))
    loss, cached = conventional.label_loss, None
    if name != "resnet18":
        teacher = ours.build("resnet18", images, device, 2, width=8).to(dtype).eval()
        pixels = ours.task(mine, data, recipe, device, dtype=dtype).training.normalised(torch.arange(count))
        with torch.no_grad():
            cached = teacher(pixels)[0]
        loss = conventional.distillation_loss(teacher, ours.DISTILLATION["alpha"], ours.DISTILLATION["temperature"])
    work = ours.task(mine, data, recipe, device, teacher_logits=cached, dtype=dtype, role="gate")
    history = ours.train(work, device)
    sgd = conventional.optimizer(theirs, recipe)
    losses = conventional.train(theirs, batches(images, work, dtype), sgd, loss, recipe["clip_norm"])
    means = np.reshape(losses, (epochs, -1)).mean(axis=1)
    far = max(abs(row["loss"] - mean) for row, mean in zip(history, means, strict=True))
    pairs = zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True)
    return far, max(float((one - other).abs().max()) for one, other in pairs)


def outputs_agree(images: ImageSet, count: int) -> float:
    """Return the largest difference of cached and live teacher outputs in fp32, over the first images."""
    device = resolve("cpu", "fp32", torch.get_num_threads())
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)
    teacher = ours.build("resnet18", images, device, 2, width=8).eval()
    cached, _ = common.predict(teacher, data, device)
    work = ours.task(teacher, data, ours.recipe("lenet", epochs=1), device)
    plan = plan_epoch(work.training, [], work.seed, work.role, 0, 128, False)
    with torch.no_grad():
        live = torch.cat([teacher(pixels)[0] for pixels, _ in batches(images, work, torch.float32)])
    return float((cached[plan.order] - live).abs().max())


def precision_interval(train: ImageSet, test: ImageSet, count: int, epochs: int, seeds: int) -> tuple[float, float]:
    """Return the 95 % interval of a LeNet's bf16 minus fp32 accuracy, in points, over paired seeds (Student's t)."""
    differences = []
    for seed in range(seeds):
        found = {}
        for precision in ("fp32", "bf16"):
            device = resolve("cpu", precision, 1)
            data = common.on_device(train, ours.statistics(train), device)
            model = ours.build("lenet", train, device, seed)
            work = ours.task(model, ours.part(data, count), ours.recipe("lenet", epochs=epochs), device, seed=seed)
            ours.train(work, device)
            logits, _ = common.predict(model, common.on_device(test, ours.statistics(train), device), device)
            found[precision] = 100 * accuracy(logits.numpy(), test.labels)
        differences.append(found["bf16"] - found["fp32"])
    mean, error = float(np.mean(differences)), float(stats.sem(differences))
    margin = float(stats.t.ppf(0.975, seeds - 1)) * error
    return mean - margin, mean + margin


def run(cache: Path, root: Path, quick: bool, tell: Callable[[str], None]) -> None:
    """Check every gate and tell its outcome; raises GateError at the first that does not hold."""
    images = ours.read("digits", "train", cache, root) if quick else ours.read("cifar10", "train", cache, root)
    for name in ("lenet",) if quick else ("resnet18", "lenet"):
        loss, weights = loops_agree(images, name, torch.float64, STEPS)
        tell(check(f"{name}, {STEPS} steps in float64, loss", loss, 1e-8))
        tell(check(f"{name}, {STEPS} steps in float64, weights", weights, 1e-8))
        tell(check(f"{name}, first step in fp32, loss", loops_agree(images, name, torch.float32, 1)[0], 1e-5))
    count = min(len(images.images), 256 if quick else 2048)
    tell(check(f"teacher outputs of {count} images in fp32, cached and live", outputs_agree(images, count), 1e-3))
    if quick:
        tell("accuracy in bf16 and fp32: not compared, --quick is too small for that")
        return
    train, test = (ours.read("mnist", split, cache, root) for split in ("train", "test"))
    low, high = precision_interval(train, test, 6400, 3, 6)
    tell(f"LeNet on 6,400 images of MNIST, bf16 minus fp32 accuracy over 6 seeds: {low:+.2f} to {high:+.2f} points")
    check("the 95 % interval's far end, in points", max(-low, high), 1.0)
