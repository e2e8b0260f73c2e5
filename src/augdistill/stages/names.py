"""What runs are called, from configs and the data they name: no pixels are read and no torch is imported."""

import os
from pathlib import Path
from typing import Any

from augdistill.base.checks import one_of, require
from augdistill.base.errors import ConfigError, DataError
from augdistill.config import choices
from augdistill.config.checking import check_group
from augdistill.config.groups import Dataset
from augdistill.config.jobs import (
    DataOf,
    DatasetAt,
    EvaluationConfig,
    HasDataset,
    SaysWhere,
    ShiftConfig,
    StudentConfig,
)
from augdistill.config.places import AS_TRAINED, written
from augdistill.config.shift import HELD_OUT, MADE, MADE_SET, NOISE, PUBLISHED, Attack, Corruptions, Unknown
from augdistill.data import HUMAN_LABELS, Header, corrupted, header, is_there, load_human_labels, test_set_name
from augdistill.shift import VERSION
from augdistill.store.identity import Ref, evaluation_ref, shift_ref
from augdistill.store.runs import Run


def dataset_header(config: HasDataset, split: str = "train") -> Header:
    """Return what is known of a dataset. Raises DataError."""
    return header(config.dataset.name, split, **config.dataset.reader_arguments(config.outputs))


def check_training_set(dataset: Dataset, found: Header) -> None:
    """Raise ConfigError where a `dataset` asks what its training set cannot give: images held out, statistics."""
    validation, channels = dataset.validation, found.shape[0]
    require(validation < found.count, "dataset.validation", validation, f"fewer than its {found.count:,} images")
    for key, values in (("mean", dataset.mean), ("std", dataset.std)):
        if values is not None and len(values) not in (1, channels):
            raise ConfigError(f"dataset.{key} has {len(values)} values for {channels} channels: give one for each")


def test_sets(config: HasDataset, training: Header) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fingerprints of a dataset's test sets that are there, and why the others are not, by dataset.

    What will be read after the training is read before it. Raises ConfigError for one that does not exist, DataError
    for one that is there and damaged, or that no model of this training set can be evaluated on.
    """
    found, missing = {}, {}
    for name in dict.fromkeys(config.dataset.test_sets):
        if why := missing_test_set(name, config):
            missing[name] = why
            continue
        read = DatasetAt(test_dataset(name, config.dataset), config.outputs)
        check_test_set(name, dataset_header(read, "test"), training)
        found[name] = test_fingerprint(name, config)
    return found, missing


def missing_test_set(name: str, config: HasDataset) -> str:
    """Return why one of a dataset's test sets is not there, nothing if it is; whether it is right, reading tells."""
    read = test_dataset(name, config.dataset)
    where = read.reader_arguments(config.outputs)
    people = is_there(name, "test", root=where["root"]) if name in HUMAN_LABELS else ""
    return people or is_there(read.name, "test", **where)


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


def check_planned(ref: Ref, planned: str | None) -> None:
    """Raise DataError for another run than was planned, whose id is `planned`: then its data changed since."""
    if planned not in (None, ref.id):
        raise DataError(f"{ref.folder} is not what was planned: its dataset changed since; the same command plans anew")


def evaluation_config(run: str, test_set: str, outputs: str, **changed: Any) -> EvaluationConfig:
    """Return the config of an evaluation: of a run's folder on a dataset's test set, data where the run's own lies."""
    return EvaluationConfig(run=run, test_set=test_set, outputs=outputs, **changed)


def located(config: SaysWhere, trained: Dataset, fingerprint: str) -> Dataset:
    """Return the dataset of a run, known by the fingerprint of its training set, with where its data lie now.

    That is where `root` and `path` of an evaluation's config say, else below $AUGDISTILL_DATA if they are there, else
    where the run found them. Raises DataError if `path` holds other images.
    """
    was = trained.parameters().get("path")
    given = {"root": config.root, "verify": config.verify, **({"path": config.path} if was is not None else {})}
    given = {key: value for key, value in given.items() if value is not None}
    group = trained.model_copy(update=given)

    def holds_them(dataset: Dataset) -> bool:
        return dataset_header(DatasetAt(dataset, config.outputs)).fingerprint == fingerprint

    if "path" in given:
        if not holds_them(group):
            told = f"dataset.path={given['path']} holds other training images than {config.run} has seen"
            raise DataError(f"{told}, which were in {was}")
        return group
    root = str(config.root or os.environ.get("AUGDISTILL_DATA") or trained.root)
    moved = {"root": root}
    if was is not None:
        moved["path"] = str(Path(root).expanduser().absolute() / Path(was).name)
    elif "root" in given:
        return group
    elsewhere = group.model_copy(update=moved)
    try:
        return elsewhere if elsewhere != group and holds_them(elsewhere) else group
    except DataError:  # not there
        return group


def with_path(config: StudentConfig, teacher: Run) -> StudentConfig:
    """Return the config of a student with the folder of images where its teacher's lie now, unless it names one."""
    if config.dataset.parameters().get("path", "") is not None:
        return config
    where = DataOf(teacher.path.name, config.outputs, None, config.dataset.verify, None)
    lies = located(where, teacher.config.dataset, teacher.manifest.document.data)
    dataset = config.dataset.model_copy(update={"path": lies.parameters()["path"]})
    return config.model_copy(update={"dataset": dataset})


def test_dataset(test_set: str, trained: Dataset) -> Dataset:
    """Return the dataset whose images a test set has; `trained` is that of the run that is evaluated."""
    name = str(HUMAN_LABELS.get(test_set, test_set))
    return trained if name == trained.name else default_dataset(name, trained)


def default_dataset(name: str, like: Dataset) -> Dataset:
    """Return a dataset with its YAML's values, read from where the dataset `like` is."""
    one_of("dataset.test_sets", name, [choice for choice in choices("dataset") if choice != AS_TRAINED])
    values = written("dataset", name) | {"root": like.root, "verify": like.verify}
    found: Dataset = check_group("dataset", values)
    return found


def test_fingerprint(test_set: str, config: HasDataset) -> str:
    """Return the fingerprint of a test set, human labels included. Raises DataError if it is not there."""
    dataset = test_dataset(test_set, config.dataset)
    images = dataset_header(DatasetAt(dataset, config.outputs), "test").fingerprint
    if test_set not in HUMAN_LABELS:
        return images
    return f"{images}+{load_human_labels(test_set, root=Path(dataset.root), verify=dataset.verify).fingerprint}"


def evaluation_name(config: EvaluationConfig, run: Ref, trained: Dataset, precision: str, fingerprint: str) -> Ref:
    """Return the name of the evaluation of a run, of the precision asked for, on a test set of this fingerprint."""
    made_by = {"precision": precision, "normalisation": config.normalisation}
    called = test_set_name(config.test_set, trained.plain())
    return evaluation_ref(run, test_set_name(config.test_set), made_by, fingerprint, called)


def shift_name(
    config: ShiftConfig, run: Ref, trained: Dataset, precision: str, source: Ref | None = None, fingerprint: str = ""
) -> Ref:
    """Return the name of the evaluation of a run under shift; `fingerprint` is that of its images, where it is known.

    An attack is computed in float32, whatever the run was trained in.
    """
    under = config.under
    how = {"precision": "fp32" if isinstance(under, Attack) else precision}
    data = fingerprint or shift_fingerprint(config.under, DatasetAt(trained, config.outputs))
    called = under.called(test_set_name(trained.name, trained.plain()))
    return shift_ref(run, called, {**under.plain(), **how}, data, source)


def shift_fingerprint(under: Corruptions | Attack | Unknown, config: DatasetAt) -> str:
    """Return the fingerprint of the images that a run is evaluated on under shift; raises DataError, ConfigError."""
    dataset = config.dataset
    if isinstance(under, Corruptions) and under.name != MADE:
        if dataset.name != PUBLISHED[under.name]:
            about = f"{under.name} is about {PUBLISHED[under.name]}, not {dataset.name}"
            raise ConfigError(f"corruptions={under.name}: {about}: type corruptions=made for its own test images")
        return corrupted.fingerprint(under.name, Path(dataset.root), Path(config.outputs) / "cache")
    own = test_fingerprint(dataset.name, config)
    if isinstance(under, Corruptions):
        return f"{own}+{MADE_SET}-{VERSION}"
    if isinstance(under, Attack):
        return own
    if under.name == dataset.name:
        raise ConfigError(f"unknown={under.name} are the classes that the model knows: name another dataset, or noise")
    if under.name == NOISE:
        return f"{own}+{NOISE}"
    if under.name == HELD_OUT:
        whole = dataset_header(DatasetAt(with_all_classes(dataset), config.outputs), "test")
        return f"{own}+{whole.fingerprint}"
    return f"{own}+{test_fingerprint(under.name, config)}"


def with_all_classes(dataset: Dataset) -> Dataset:
    """Return a dataset of some classes with all of them; raises ConfigError for one that leaves none out."""
    whole = written("dataset", dataset.name).get("classes")
    if whole is None or list(dataset.parameters()["classes"]) == whole:
        why = f"dataset={dataset.name} leaves no class out: train on some with dataset=digits dataset.classes=[0,1,2]"
        raise ConfigError(f"unknown={HELD_OUT}: {why}")
    found: Dataset = check_group("dataset", {**dataset.plain(), "classes": whole})
    return found
