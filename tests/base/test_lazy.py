"""A table's entry is imported by its place."""

import math
import os.path

import pytest

from augdistill.base.lazy import load


def test_a_place_is_a_module_or_a_name_in_one() -> None:
    assert load("os.path") is os.path
    assert load("math:pi") is math.pi
    for place, error in (("no_such_module", ModuleNotFoundError), ("math:no_such_name", AttributeError)):
        with pytest.raises(error, match="no_such"):
            load(place)
