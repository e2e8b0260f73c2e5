"""Every entry stands in all of its places, and its YAML file lists the parameters that its function takes."""

import re
import types
import typing
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import pytest

from augdistill.config import choices, conf_dir, parameters
from augdistill.conformance import TABLES, entries, own_parameters

FOLDERS = {"AUGMENTATIONS": ("aug",), "MODELS": ("student", "teacher"), "LOSSES": ("loss",), "DATASETS": ("dataset",)}
NO_ENTRY = {"baseline", "as-trained"}  # choices that name nothing
EVERY = [(table, name) for table in TABLES for name in entries(table)]
every_entry = pytest.mark.parametrize(("table", "name"), EVERY, ids=lambda value: value)


def function_of(table: str, name: str) -> Callable[..., Any]:
    """Return the function, or class, whose keyword arguments are an entry's parameters."""
    attribute = {"AUGMENTATIONS": "draw", "MODELS": "network", "LOSSES": "loss", "DATASETS": "read"}[table]
    found: Callable[..., Any] = getattr(TABLES[table][name], attribute)
    return found


def files(table: str, name: str) -> Iterator[str]:
    """Yield the folders of configs in which an entry has its file."""
    yield from (folder for folder in FOLDERS[table] if name in choices(folder))


@every_entry
def test_an_entry_has_a_yaml_file(table: str, name: str) -> None:
    wanted = " or ".join(f"conf/{folder}/{name}.yaml" for folder in FOLDERS[table])
    wanted += ", and no line in conf/models.yaml" if table == "MODELS" else ""
    assert list(files(table, name)), f"{name} of {table} has no file {wanted}"


@every_entry
def test_an_entry_has_a_label(table: str, name: str) -> None:
    label = TABLES[table][name].LABEL if table == "DATASETS" else TABLES[table][name].label
    assert isinstance(label, str), f"{name} of {table} has no label"
    assert label.strip(), f"{name} of {table} has an empty label"


@pytest.mark.parametrize("table", TABLES)
def test_a_yaml_file_has_an_entry(table: str) -> None:
    for folder in FOLDERS[table]:
        missing = {*choices(folder)} - NO_ENTRY - {*TABLES[table]}
        assert not missing, f"conf/{folder}/{min(missing)}.yaml has no line in the table {table}"


@pytest.mark.parametrize("name", entries("MODELS"))
def test_a_model_has_a_recipe(name: str) -> None:
    wanted = f"a file conf/optim/{name}.yaml, the recipe that trains it, or a line in conf/models.yaml"
    assert name in choices("optim"), f"{name} of MODELS lacks {wanted}"


@every_entry
def test_yaml_lists_the_parameters_with_their_defaults(table: str, name: str) -> None:
    for folder in files(table, name):
        listed, taken = dict(parameters(folder, name)), own_parameters(function_of(table, name))
        place = f"conf/{folder}/{name}.yaml"
        assert set(listed) == set(taken), f"{place} lists {[*listed]}, the function takes {[*taken]}"
        plain = {key: list(default) if isinstance(default, tuple) else default for key, default in taken.items()}
        assert listed == plain, f"{place} has other defaults than the function"


@every_entry
def test_defaults_are_of_the_types_that_the_signature_says(table: str, name: str) -> None:
    function = function_of(table, name)
    function = function.func if isinstance(function, partial) else function
    # a class's own __init__
    hints = typing.get_type_hints(function.__init__ if isinstance(function, type) else function)  # type: ignore[misc]
    for key, default in own_parameters(function).items():
        assert key in hints, f"{key} of {name} has no type"
        assert is_of(default, hints[key]), f"{key} of {name} is {hints[key]}, its default {default!r}"


def is_of(value: object, hint: Any) -> bool:
    """Return whether a value is of the type that an annotation says; whole numbers are numbers."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(is_of(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


@pytest.mark.parametrize("name", entries("AUGMENTATIONS"))
def test_a_strategy_has_a_look_of_its_own(name: str) -> None:
    entry, others = TABLES["AUGMENTATIONS"][name], [TABLES["AUGMENTATIONS"][n] for n in entries("AUGMENTATIONS")]
    for colour in (entry.colour, entry.dark_colour):
        assert re.fullmatch("#[0-9a-f]{6}", colour), f"{name} has the colour {colour}, which is not like #0a66c2"
    assert [one.colour for one in others].count(entry.colour) == 1, f"{name} has the colour of another strategy"
    assert [one.marker for one in others].count(entry.marker) == 1, f"{name} has the marker of another strategy"


def test_each_file_opens_with_what_it_is() -> None:
    for folder in {folder for folders in FOLDERS.values() for folder in folders}:
        for path in (conf_dir() / folder).glob("*.yaml"):
            assert path.read_text().startswith("# "), f"{path} says in no comment what it is, and of which paper"
