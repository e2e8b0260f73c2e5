"""What has to hold before any figure, where it is measured: both loops compute the same, and bf16 costs no accuracy."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from augdistill.augment import AUGMENTATIONS
from augdistill.data import ImageSet
from augdistill.metrics.classification import accuracy
from augdistill.stages import common
from augdistill.training.batches import EpochPlan, batch_at, make_batch, plan_epoch
from augdistill.training.device import Device, resolve
from augdistill.training.graphs import stepper
from augdistill.training.loop import Task
from benchmarks import conventional, ours

STEPS, BATCH = 20, 32
# At 0.01 rounding alone grows from 1e-16 to 4e-4 in these 20 steps of a ResNet18. A power of two is the same in fp32,
# as which SGD's fused kernel reads a rate on a GPU.
RATE = 2**-9
CPU = Device(torch.device("cpu"), "fp32", 1)


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


def loops_agree(
    images: ImageSet, name: str, dtype: torch.dtype, steps: int, device: Device = CPU
) -> tuple[float, float]:
    """Return the largest differences in the epochs' mean losses and in the weights after `steps` of both loops.

    "lenet" learns from a ResNet18's outputs, cached against live; "resnet18" from labels. An epoch has four steps.
    """
    epochs, count = max(1, steps // 4), BATCH * min(steps, 4)
    recipe = ours.recipe(name, epochs=epochs, batch_size=BATCH, schedule="constant", warmup_epochs=0, lr=RATE)
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)
    width = {"width": 8} if name == "resnet18" else {}
    mine, theirs = (ours.build(name, images, device, 1, **width).to(dtype) for _ in range(2))
    loss, cached = conventional.label_loss, None
    if name != "resnet18":
        teacher = ours.build("resnet18", images, device, 2, width=8).to(dtype).eval()
        pixels = ours.task(mine, data, recipe, device, dtype=dtype).training.normalised(
            torch.arange(count, device=device.device)
        )
        with torch.no_grad():
            cached = teacher(pixels)[0]
        loss = conventional.distillation_loss(teacher, ours.DISTILLATION.alpha, ours.DISTILLATION.temperature)
    work = ours.task(mine, data, recipe, device, teacher_logits=cached, dtype=dtype, role="gate")
    history = ours.train(work, device)
    sgd = conventional.optimizer(theirs, recipe)
    losses = conventional.train(
        theirs, batches(images, work, dtype), sgd, loss, recipe["clip_norm"], device=device.device.type
    )
    means = np.reshape(losses, (epochs, -1)).mean(axis=1)
    far = max(abs(row["loss"] - mean) for row, mean in zip(history, means, strict=True))
    pairs = zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True)
    return far, max(float((one - other).abs().max()) for one, other in pairs)


def outputs_agree(images: ImageSet, count: int, device: Device) -> float:
    """Return the largest difference of cached and live teacher outputs in fp32, over the first images."""
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)
    teacher = ours.build("resnet18", images, device, 2, width=8).eval()
    cached, _ = common.predict(teacher, data, device)
    work = ours.task(teacher, data, ours.recipe("lenet", epochs=1), device)
    plan = plan_epoch(work.training, [], work.seed, work.role, 0, 128, False)
    with torch.no_grad():
        live = [teacher(pixels.to(device.device))[0].cpu() for pixels, _ in batches(images, work, torch.float32)]
    return float((cached[plan.order.cpu()] - torch.cat(live)).abs().max())


def replays_agree(images: ImageSet, name: str, device: Device) -> float:
    """Return the largest difference of a strategy's batches made eagerly and by replays, over some epochs."""
    data = ours.part(common.on_device(images, ours.statistics(images), device), 8 * BATCH + BATCH // 2)
    work = ours.task(torch.nn.Identity(), data, {}, device, ops=ours.ops(name))
    made: dict[int, tuple[torch.Tensor, ...]] = {}  # by their size, where replays write

    def make(plan: EpochPlan, part: slice | torch.Tensor) -> None:
        batch = batch_at(work.training, work.ops, plan, part)
        new = (batch.images, batch.targets)
        for mine, its in zip(made.setdefault(len(batch.images), new), new, strict=True):
            mine.copy_(its)

    take, far = stepper(make, lambda: [list(tensors) for tensors in made.values()], device), 0.0
    for epoch in range(5):  # of which the short batch is replayed in the last two
        plan = plan_epoch(work.training, work.ops, 0, "gate", epoch, BATCH, False)
        for index in range(len(plan.offsets) - 1):
            take(plan, index)
            batch = make_batch(work.training, work.ops, plan, index)
            pairs = zip(made[len(batch.images)], (batch.images, batch.targets), strict=True)
            far = max(far, *(float((one - other).abs().max()) for one, other in pairs))
    return far


def precision_interval(
    train: ImageSet, test: ImageSet, count: int, epochs: int, seeds: int, where: str
) -> tuple[float, float]:
    """Return the 95 % interval of a LeNet's bf16 minus fp32 accuracy, in points, over paired seeds (Student's t)."""
    differences = []
    for seed in range(seeds):
        found = {}
        for precision in ("fp32", "bf16"):
            device = resolve(where, precision, 1)
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


def run(cache: Path, root: Path, quick: bool, where: str, threads: int, tell: Callable[[str], None]) -> None:
    """Check every gate on a "cpu" or "cuda" and tell its outcome; raises GateError at the first that does not hold.

    cuDNN runs its deterministic kernels meanwhile, and no TF32, whose products have three digits.
    """
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        check_loops(cache, root, quick, where, threads, tell)
        if where == "cuda":
            images = ours.read("cifar10", "train", cache, root)
            for name in AUGMENTATIONS:
                device = resolve(where, "fp32", 1, cuda_graphs="true")
                tell(check(f"batches of {name}, eager and replayed", replays_agree(images, name, device), 0))
        if quick:
            tell("accuracy in bf16 and fp32: not compared, --quick is too small for that")
            return
        train, test = (ours.read("mnist", split, cache, root) for split in ("train", "test"))
        low, high = precision_interval(train, test, 6400, 3, 6, where)
    tell(f"LeNet on 6,400 images of MNIST, bf16 minus fp32 accuracy over 6 seeds: {low:+.2f} to {high:+.2f} points")
    check("the 95 % interval's far end, in points", max(-low, high), 1.0)


def check_loops(cache: Path, root: Path, quick: bool, where: str, threads: int, tell: Callable[[str], None]) -> None:
    """Check our loop against the conventional one, on a GPU as CUDA graphs too, and cached outputs against live."""
    images = ours.read("digits" if quick else "cifar10", "train", cache, root)
    device = Device(torch.device(where), "fp32", 1)
    ways = {"": device, " as CUDA graphs": replace(device, graphs=True)} if where == "cuda" else {"": device}
    for name in ("lenet",) if quick else ("resnet18", "lenet"):
        for way, it in ways.items():
            loss, weights = loops_agree(images, name, torch.float64, STEPS, it)
            tell(check(f"{name}, {STEPS} steps in float64{way}, loss", loss, 1e-8))
            tell(check(f"{name}, {STEPS} steps in float64{way}, weights", weights, 1e-8))
        loss, _ = loops_agree(images, name, torch.float32, 1, device)
        tell(check(f"{name}, first step in fp32, loss", loss, 1e-5))
    count, device = min(len(images.images), 256 if quick else 2048), resolve(where, "fp32", threads)
    far = outputs_agree(images, count, device)
    tell(check(f"teacher outputs of {count} images in fp32, cached and live", far, 1e-3))
