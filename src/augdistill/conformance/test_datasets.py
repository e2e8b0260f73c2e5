"""The contract of data sets: what is known without the data, what is said where they are missing, and what is read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augdistill.base.errors import ConfigError, RequestError
from augdistill.config import parameters
from augdistill.conformance import TABLES, entries
from augdistill.data import DATASETS, expected_shape, is_there, load

every_dataset = pytest.mark.parametrize("name", entries("DATASETS"))


@every_dataset
def test_its_splits_and_its_test_set_have_names(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.SPLITS
    assert {*dataset.SPLITS} <= {"train", "test"}
    names = [one.TEST_SET for one in DATASETS.values()]
    assert names.count(dataset.TEST_SET) == 1, f"TEST_SET of {name} is that of another data set"


@every_dataset
def test_the_shape_is_known_without_the_data(name: str) -> None:
    channels, height, width = expected_shape(name, **parameters("dataset", name))
    assert channels in (1, 3)
    assert height >= 1
    assert width >= 1


def why_not(name: str, split: str, where: dict[str, Any]) -> str:
    """Return why a split is not there, also where its user has to say first which folder is meant."""
    try:
        return is_there(name, split, **where)
    except ConfigError as error:
        return str(error)


@every_dataset
def test_what_is_not_there_is_refused_and_what_is_there_is_what_it_says(name: str, tmp_path: Path) -> None:
    where = {"root": tmp_path / "root", **parameters("dataset", name)}
    for split in DATASETS[name].SPLITS:
        if why_not(name, split, where):
            with pytest.raises(RequestError):
                load(name, split, cache=tmp_path / "cache", **where)
            continue
        first, again = (load(name, split, cache=tmp_path / cache, **where) for cache in ("one", "other"))
        assert first.images.dtype == np.uint8
        assert first.images.shape == (len(first.labels), *expected_shape(name, **parameters("dataset", name)))
        assert {*first.labels.tolist()} == {*range(len(first.header.classes))}
        assert first.header.fingerprint == again.header.fingerprint
        assert np.array_equal(first.images, again.images)


@every_dataset
def test_labels_that_people_gave_are_about_another_data_set(name: str) -> None:
    about = getattr(DATASETS[name], "LABELS_OF", None)
    if about is None:
        pytest.skip(f"{name} has labels of its own")
    assert about in TABLES["DATASETS"], f"LABELS_OF of {name} is {about}, which is not in DATASETS"
    assert callable(getattr(DATASETS[name], "read_human_labels", None)), f"{name} has no read_human_labels"
