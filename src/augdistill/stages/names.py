"""What runs are called, from configs and the data they name: no pixels are read and no torch is imported."""

import os
from pathlib import Path
from typing import Any

from augdistill.base.checks import one_of, require
from augdistill.base.errors import ConfigError, DataError
from augdistill.config import Config, choices, reader_arguments
from augdistill.config.places import written
from augdistill.data import HUMAN_LABELS, Header, header, is_there, load_human_labels, test_set_name
from augdistill.store.identity import Ref, evaluation_ref

WHERE = ("root", "verify", "path")  # keys that say where a run's data lie now; None is where they were


def dataset_header(config: Config, split: str = "train") -> Header:
    """Return what is known of a job's dataset; `config` has `dataset` and `outputs`. Raises DataError."""
    dataset = config["dataset"]
    return header(dataset["name"], split, **reader_arguments(dataset, config["outputs"]))


def check_training_set(config: Config, found: Header) -> None:
    """Raise ConfigError where a job's `dataset` asks what its training set cannot give: images held out, statistics."""
    validation, channels = config["dataset"]["validation"], found.shape[0]
    require(validation < found.count, "dataset.validation", validation, f"fewer than its {found.count:,} images")
    for key in ("mean", "std"):
        values = config["dataset"][key]
        if values is not None and len(values) not in (1, channels):
            raise ConfigError(f"dataset.{key} has {len(values)} values for {channels} channels: give one for each")


def test_sets(config: Config, training: Header) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fingerprints of a job's test sets that are there, and why the others are not, by dataset.

    What will be read after the training is read before it. Raises ConfigError for one that does not exist, DataError
    for one that is there and damaged, or that no model of this training set can be evaluated on.
    """
    dataset = config["dataset"]
    found, missing = {}, {}
    for name in dict.fromkeys(dataset["test_sets"]):
        if why := missing_test_set(name, config):
            missing[name] = why
            continue
        evaluation = evaluation_config("", name, config["outputs"])
        read = test_dataset(evaluation, dataset)
        where = reader_arguments(read, config["outputs"])
        check_test_set(name, header(read["name"], "test", **where), training)
        found[name] = test_fingerprint(evaluation, dataset)
    return found, missing


def missing_test_set(name: str, config: Config) -> str:
    """Return why one of a job's test sets is not there, nothing if it is; whether it is right, reading tells."""
    read = test_dataset(evaluation_config("", name, config["outputs"]), config["dataset"])
    where = reader_arguments(read, config["outputs"])
    people = is_there(name, "test", root=where["root"]) if name in HUMAN_LABELS else ""
    return people or is_there(read["name"], "test", **where)


def check_test_set(name: str, found: Header, training: Header) -> None:
    """Raise DataError for images that are not like those of the training set."""
    for what in ("classes", "shape"):
        theirs, ours = getattr(found, what), getattr(training, what)
        if theirs != ours:
            shown = "x".join(map(str, theirs)) if what == "shape" else f"{', '.join(theirs[:5])}, ..."
            raise DataError(
                f"{name} has images of other {what} ({shown}) than {training.name}: leave it out of dataset.test_sets, "
                f"as in 'dataset.test_sets=[{training.name}]'"
            )


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
    one_of("dataset.test_sets", name, [choice for choice in choices("dataset") if choice != "as-trained"])
    return written("dataset", name) | {key: like[key] for key in ("root", "verify")}


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
