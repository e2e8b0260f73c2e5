"""Export a run: write its model, check that the file says what the run says, and measure it if asked."""

import json
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from augdistill.base.checks import one_of
from augdistill.base.errors import DataError, RequestError, WorkError
from augdistill.base.files import write_atomic, write_json
from augdistill.base.text import pluralise
from augdistill.config.jobs import DataOf, DatasetAt
from augdistill.data import HUMAN_LABELS, test_set_name
from augdistill.export.costs import Costs, measured
from augdistill.export.formats import FORMATS, Predict, check_installed, write_int8
from augdistill.stages import common, folders, names
from augdistill.stages.classifier import Classifier, load_model
from augdistill.store.evaluations import teacher_of
from augdistill.store.runs import Run, RunStore

BATCHES = (1, 7, 128)  # which the batch of a written model is tried with
MADE_UP = 256  # images of noise, where no real ones are there
CLOSE = 1e-3  # of the largest logit; what rounding in another order changes is 1e-5


class Images(NamedTuple):
    """Images uint8 [N,C,H,W] on which a written model is checked, what they are, and their labels if they have any."""

    called: str
    pixels: np.ndarray
    labels: np.ndarray | None


def export(
    run: str,
    outputs: Path,
    format: str = "onnx",
    preprocessing: bool = True,
    int8: bool = False,
    benchmark: bool = False,
    root: str | None = None,
    path: str | None = None,
) -> list[str]:
    """Write the model of a run below outputs/exports and return what to say of it, a line each.

    Raises RequestError, before anything is written, for a run or format that cannot be; WorkError, and no file is left,
    where the written model does not predict as the run does.
    """
    one_of("format", format, FORMATS)
    if int8 and format != "onnx":
        raise RequestError(f"int8=true is for format=onnx alone, not for {format}: leave it out")
    check_installed(format)
    store = RunStore(outputs)
    found = store.get(run)
    model = load_model(found)
    images = images_of(found, DataOf(found.path.name, str(outputs), root, None, path))
    folder = outputs / "exports" / found.path.name
    kind, stem = FORMATS[format], "model" if preprocessing else "model-normalised"
    metadata = provenance(found, model, preprocessing)
    said = []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as place:
        written = Path(place) / f"{stem}.{kind.ending}"
        kind.write(model, prepared(model, images.pixels[:1], preprocessing), written, metadata)
        made = {written.name: written}
        opened = partial(kind.opened, written, model)
        said.append(described(folder / written.name, written, model, preprocessing))
        said.append(checked(model, images, opened(1), preprocessing))
        if int8:
            small = made[f"{stem}-int8.onnx"] = Path(place) / f"{stem}-int8.onnx"
            write_int8(written, small)
            said.append(accuracy_of_int8(small, model, images, preprocessing))
        if benchmark:
            example = prepared(model, images.pixels[:1], preprocessing)
            costs = measured(found.path.name, model, written, example, opened)
            teacher = teacher_of(found, store)
            if teacher is not None:
                costs += costs_of_teacher(teacher, format, preprocessing, Path(place))
            said += costs_lines(costs)
        folder.mkdir(exist_ok=True)
        for name, content in made.items():
            write_atomic(folder / name, content.read_bytes())
        if benchmark:
            write_json(folder / f"costs-{format}.json", [asdict(row) for row in costs])
    return said


def images_of(run: Run, where: DataOf) -> Images:
    """Return the run's test images where they are there, else noise."""
    dataset = run.config.dataset
    try:
        lies = names.located(where, dataset, run.manifest.document.data)
        for name in dataset.test_sets:
            if name not in HUMAN_LABELS and not names.missing_test_set(name, DatasetAt(lies, where.outputs)):
                read = DatasetAt(names.test_dataset(name, lies), where.outputs)
                found = common.dataset_images(read, "test")
                if found.header.shape == run.model.shape and found.header.classes == run.model.classes:
                    return Images(test_set_name(name, lies.plain()), found.images, found.labels)
    except DataError:  # as good as not there: the model can be written all the same
        pass
    noise = np.random.default_rng(0).integers(0, 256, (MADE_UP, *run.model.shape), dtype=np.uint8)
    return Images("noise, since no test set is there", noise, None)


def provenance(run: Run, model: Classifier, preprocessing: bool) -> dict[str, str]:
    """Return what a written model says of itself, text by name."""
    made, says = run.manifest.provenance, run.model
    return {
        "class_names": json.dumps(list(model.class_names)),
        "input": f"{'uint8' if preprocessing else 'normalised float32'} [B, {', '.join(map(str, model.image_shape))}]",
        "mean": json.dumps(list(says.statistics.mean)),
        "std": json.dumps(list(says.statistics.std)),
        "run": run.path.name,
        "run_id": run.id,
        "kind": run.kind,
        "dataset": run.config.dataset.label,
        "dataset_fingerprint": run.manifest.document.data,
        "parents": json.dumps(made.parents),
        "trained": made.ended,
        "augdistill": folders.versions()["augdistill"],
        "git_commit": str(made.git_commit),
    }


def prepared(model: Classifier, pixels: np.ndarray, preprocessing: bool) -> torch.Tensor:
    """Return images as a written model takes them: bytes, or normalised floats."""
    images = torch.from_numpy(np.array(pixels))
    return images if preprocessing else torch.addcmul(model.shift, images.float(), model.scale)


def predictions(predict: Predict, model: Classifier, pixels: np.ndarray, preprocessing: bool, batch: int) -> np.ndarray:
    """Return the logits [N,K] of images that a written model is given in batches."""
    parts = [
        predict(prepared(model, pixels[start : start + batch], preprocessing).numpy())
        for start in range(0, len(pixels), batch)
    ]
    return np.concatenate(parts)


def checked(model: Classifier, images: Images, predict: Predict, preprocessing: bool) -> str:
    """Return what a written model says of the images, in words; WorkError unless it predicts as the run does."""
    wanted = np.concatenate([own_logits(model, part) for part in np.array_split(images.pixels, parts_of(images))])
    found = predictions(predict, model, images.pixels, preprocessing, BATCHES[-1])
    for size in BATCHES:
        some = images.pixels[np.arange(size) % len(images.pixels)]
        shape = predictions(predict, model, some, preprocessing, size).shape
        if shape != (size, len(model.class_names)):
            raise WorkError(f"a batch of {size} images gave logits of shape {shape}: nothing was kept")
    differ = int((found.argmax(1) != wanted.argmax(1)).sum())
    largest = float(np.abs(found - wanted).max())
    if differ or not largest <= CLOSE * max(1.0, float(np.abs(wanted).max())):
        raise WorkError(
            f"the written model predicts otherwise for {differ} of {len(found)} images ({images.called}), its logits "
            f"differ by up to {largest:.3g}: nothing was kept"
        )
    told = "" if images.labels is None else f", accuracy {percent(found, images.labels)}"
    sizes = ", ".join(map(str, BATCHES[:-1]))
    return (
        f"the same predictions on all {len(found):,} images ({images.called}){told}; largest logit difference "
        f"{largest:.2g}; batches of {sizes} and {BATCHES[-1]} tried"
    )


def parts_of(images: Images) -> int:
    """Return into how many parts images are cut."""
    return -(-len(images.pixels) // 512)


@torch.no_grad()
def own_logits(model: Classifier, pixels: np.ndarray) -> np.ndarray:
    """Return the logits [N,K] of the run's own model."""
    logits: torch.Tensor = model(torch.from_numpy(np.array(pixels)))
    return logits.numpy()


def percent(logits: np.ndarray, labels: np.ndarray) -> str:
    """Return the accuracy of logits [N,K]."""
    return f"{100 * float((logits.argmax(1) == labels).mean()):.2f} %"


def described(kept: Path, written: Path, model: Classifier, preprocessing: bool) -> str:
    """Return what was written, in words."""
    parameters = sum(value.numel() for value in model.model.parameters())
    takes = f"{'uint8' if preprocessing else 'normalised'} images [B, {', '.join(map(str, model.image_shape))}]"
    size = written.stat().st_size / 1e6
    return f"{kept}: {parameters:,} parameters, {size:.2f} MB, {takes} in, {len(model.class_names)} logits out"


def accuracy_of_int8(path: Path, model: Classifier, images: Images, preprocessing: bool) -> str:
    """Return how large a quantised model is and how accurate, in words."""
    predict = FORMATS["onnx"].opened(path, model, 1)
    found = predictions(predict, model, images.pixels, preprocessing, BATCHES[-1])
    own = predictions(lambda some: own_logits(model, some), model, images.pixels, True, BATCHES[-1])
    agree = 100 * float((found.argmax(1) == own.argmax(1)).mean())
    told = "" if images.labels is None else f", accuracy {percent(found, images.labels)}"
    return (
        f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, int8{told}, {agree:.2f} % of its predictions are the run's"
    )


def costs_of_teacher(teacher: Run, format: str, preprocessing: bool, place: Path) -> list[Costs]:
    """Return what a student's teacher costs in the same format."""
    model, kind = load_model(teacher), FORMATS[format]
    path = place / f"teacher.{kind.ending}"
    example = prepared(model, np.zeros((1, *model.image_shape), dtype=np.uint8), preprocessing)
    kind.write(model, example, path, {})
    return measured(teacher.path.name, model, path, example, partial(kind.opened, path, model))


def costs_lines(costs: list[Costs]) -> list[str]:
    """Return a line for each model and number of threads."""
    return [
        f"{row.model}: {row.parameters:,} parameters, {row.macs:,} MACs, {row.bytes / 1e6:.2f} MB; "
        f"{pluralise(row.threads, 'thread')}: {row.latency_p50:.3f} ms p50, {row.latency_p99:.3f} ms p99 at batch 1, "
        f"{row.images_per_second:,.0f} images/s at batch 128"
        for row in costs
    ]
