"""Score predictions that something else made, with the same metrics and the same table."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from augdistill.base import reading
from augdistill.base.errors import DataError, RequestError
from augdistill.base.files import write_json
from augdistill.config.commands import EvaluateCommand
from augdistill.config.groups import Dataset
from augdistill.data import HUMAN_LABELS, load, load_human_labels, test_set_name
from augdistill.metrics import Scores, check_predictions, score, score_against_humans

ADVICE = "save it with numpy.savez(FILE, logits=...)"
MAX_STEM = 100  # bytes of a file's name that the name of its scores takes over


def score_file(config: EvaluateCommand) -> dict[str, Scores]:
    """Return the scores of `config.predictions`, an .npz file, by test set, and write each below the outputs.

    Labels people gave to the dataset's test images are scored too, where they are there. Files of one name are told
    apart by a hash of what they hold. Raises RequestError or
    DataError, before anything is written, for a file that does not hold predictions of the dataset's test set.
    """
    dataset, path = config.dataset, Path(str(config.predictions))
    if not isinstance(dataset, Dataset):
        raise RequestError("predictions of which dataset? add dataset=cifar10, or another one")
    require_npz(path)
    images = load(dataset.name, "test", **dataset.reader_arguments(config.outputs))
    labels = np.array(images.labels)
    checked = check_predictions(read_arrays(path, len(labels)), labels, len(images.header.classes))
    log_probabilities, embeddings, external = checked
    found = {
        test_set_name(dataset.name, dataset.plain()): score(
            log_probabilities, labels, embeddings=embeddings, external=external
        )
    }
    for name in (name for name, about in HUMAN_LABELS.items() if about == dataset.name):
        try:
            human = load_human_labels(name, root=Path(dataset.root), verify=dataset.verify).probabilities
        except DataError:
            continue
        found[name] = score_against_humans(log_probabilities, labels, human, external=external)
    made_from = hashlib.sha256(f"{reading.sha256(path)} {images.header.fingerprint}".encode()).hexdigest()[:8]
    stem = path.stem.encode(errors="replace")[:MAX_STEM].decode(errors="ignore")
    folder = Path(config.outputs) / "predictions"
    folder.mkdir(parents=True, exist_ok=True)
    for test_set, scores in found.items():
        write_json(folder / f"{stem}-{made_from}-{test_set}.json", scores.to_json())
    return found


def require_npz(path: Path) -> None:
    """Raise RequestError unless a file may be an .npz."""
    if not path.is_file():
        raise RequestError(f"predictions={path} is not a file: name an .npz with logits or probabilities")
    with reading.damage(path, ADVICE), reading.opened(path, reading.MAX_ARRAYS) as file:
        begins = file.read(6)
    if begins == np.lib.format.MAGIC_PREFIX:
        raise RequestError(f"predictions={path} holds one array without a name: {ADVICE}")
    reading.array_names(path, ADVICE)


def read_arrays(path: Path, rows: int) -> dict[str, Any]:
    """Return the arrays of an .npz file, of at most so many rows, none of them pickled. Raises RequestError."""

    def check_shape(name: str, shape: tuple[int, ...]) -> None:
        if shape and shape[0] > rows:
            raise DataError(f"{name[:80]}: {shape[0]} rows; the dataset has {rows} samples")

    return reading.read_arrays(path, ADVICE, check_shape=check_shape)
