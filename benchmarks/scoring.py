"""The rows of evaluations: all metrics of ours against the usual three."""

from collections.abc import Callable

import torch
from torch.utils.data import DataLoader

from augdistill.metrics import score
from augdistill.stages import common
from benchmarks import ours
from benchmarks.measure import Side, Sides
from benchmarks.sides import Setting, best_of_workers, device_for, pictures, plain


def evaluation(name: str, on_cpu: int, on_gpu: int) -> Callable[[Setting], Sides]:
    """Return the row of evaluating one model on so many images, an eighth of them as its own test set.

    They are CIFAR-10's 10,000 again and again, as many of its own as of others as the study `paper` has.
    """

    def sides(setting: Setting) -> Sides:
        count = setting.count(on_cpu, on_gpu)
        return {
            "conventional": lambda: their_side(setting, name, count),
            "ours": lambda: our_side(setting, name, count),
        }

    return sides


def their_side(setting: Setting, name: str, count: int) -> Side:
    """Return the yardstick's side, in fp32 as it trains."""
    from benchmarks import conventional

    images, device = setting.data("test"), device_for(setting, "fp32", setting.threads)
    model = plain(ours.build(name, images, device, **setting.params(name)))
    kept = pictures(setting, images, count=count)

    def with_workers(workers: int) -> Side:
        how = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": setting.on_gpu}
        batches = DataLoader(kept, batch_size=256, **how)

        def side() -> float:
            torch.set_num_threads(setting.threads)
            conventional.evaluate(model, batches, setting.device)
            return count

        return side

    return with_workers(0) if setting.quick else best_of_workers(with_workers)


def our_side(setting: Setting, name: str, count: int) -> Side:
    """Return our side: predictions, and all metrics of them."""
    images, device, own = setting.data("test"), device_for(setting, "bf16", setting.threads), count // 8
    model = ours.build(name, images, device, **setting.params(name))
    data = ours.part(common.on_device(images, ours.statistics(images), device), count)

    def side() -> float:
        torch.set_num_threads(setting.threads)
        logits, embeddings = (values.numpy() for values in common.predict(model, data, device))
        labels = data.labels.cpu().numpy()
        score(logits[:own], labels[:own], embeddings=embeddings[:own])
        score(logits[own:], labels[own:])
        return count

    return side
