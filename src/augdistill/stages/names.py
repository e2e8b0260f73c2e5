"""What runs are called, from configs and the data they name: no pixels are read and no torch is imported."""

import os
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from augdistill.config import Config, choices, conf_dir, one_of, reader_arguments
from augdistill.data import HUMAN_LABELS, Header, header, load_human_labels, test_set_name
from augdistill.errors import DataError
from augdistill.identity import Ref, evaluation_ref

WHERE = ("root", "verify", "path")  # keys that say where a run's data lie now; None is where they were


def dataset_header(config: Config, split: str = "train") -> Header:
    """Return what is known of a job's dataset; `config` has `dataset` and `outputs`. Raises DataError."""
    dataset = config["dataset"]
    return header(dataset["name"], split, **reader_arguments(dataset, config["outputs"]))


def must_be(ref: Ref, planned: str | None) -> None:
    """Raise DataError for another run than was planned, whose id is `planned`: then its data changed since."""
    if planned not in (None, ref.id):
        raise DataError(f"{ref.folder} is not what was planned: its dataset changed since; the same command plans anew")


def evaluation_config(run: str, test_set: str, outputs: str, **changed: Any) -> Config:
    """Return the config of an evaluation: of a run's folder on a dataset's test set, data where the run's own lies."""
    runtime = {"device": "auto", "threads": 1}
    config = {"run": run, "test_set": test_set, "outputs": outputs, **dict.fromkeys(WHERE)}
    return {**config, "normalisation": "training", "runtime": runtime, **changed}


def located(config: Config, trained: Config, fingerprint: str) -> Config:
    """Return the `dataset` group of a run, known by the fingerprint of its training set, with where its data lie now.

    That is where `root` and `path` of an evaluation's config say, else below $AUGDISTILL_DATA if they are there, else
    where the run found them. Raises DataError if `path` holds other images.
    """
    given = {key: config[key] for key in WHERE if key in trained and config.get(key) is not None}
    group = {**trained, **given}

    def holds_them(dataset: Config) -> bool:
        return dataset_header({**config, "dataset": dataset}).fingerprint == fingerprint

    if "path" in given:
        if not holds_them(group):
            told = f"dataset.path={given['path']} holds other training images than {config['run']} has seen"
            raise DataError(f"{told}, which were in {trained['path']}")
        return group
    root = str(config.get("root") or os.environ.get("AUGDISTILL_DATA") or trained["root"])
    moved = {**group, "root": root}
    if isinstance(trained.get("path"), str):
        moved["path"] = str(Path(root).expanduser().absolute() / Path(trained["path"]).name)
    elif "root" in given:
        return group
    try:
        return moved if moved != group and holds_them(moved) else group
    except DataError:  # not there
        return group


def test_dataset(config: Config, trained: Config) -> Config:
    """Return the `dataset` group that reads the images of an evaluation's test set; `trained` is that of its run."""
    name = str(HUMAN_LABELS.get(config["test_set"], config["test_set"]))
    return trained if name == trained["name"] else default_dataset(name, trained)


def default_dataset(name: str, like: Config) -> Config:
    """Return a dataset's group with its YAML's values, read from where the dataset group `like` is."""
    one_of("test_sets", name, [choice for choice in choices("dataset") if choice != "as-trained"])
    loaded = OmegaConf.to_container(OmegaConf.load(conf_dir() / "dataset" / f"{name}.yaml"), resolve=True)
    assert isinstance(loaded, dict)
    return {str(key): value for key, value in loaded.items()} | {key: like[key] for key in ("root", "verify")}


def test_fingerprint(config: Config, trained: Config) -> str:
    """Return the fingerprint of a test set, human labels included. Raises DataError if it is not there."""
    dataset = test_dataset(config, trained)
    where = reader_arguments(dataset, config["outputs"])
    images = header(dataset["name"], "test", **where).fingerprint
    if config["test_set"] not in HUMAN_LABELS:
        return images
    return f"{images}+{load_human_labels(config['test_set'], root=where['root'], verify=where['verify']).fingerprint}"


def evaluation_name(config: Config, run: Ref, trained: Config, precision: str, fingerprint: str) -> Ref:
    """Return the name of the evaluation of a run, of the precision asked for, on a test set of this fingerprint."""
    made_by = {"precision": precision, "normalisation": config["normalisation"]}
    called = test_set_name(config["test_set"], trained)
    return evaluation_ref(run, test_set_name(config["test_set"]), made_by, fingerprint, called)
