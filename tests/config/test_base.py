"""What models of configs are made of: parameters from YAML files, groups found by their name."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from augdistill.config import parameters
from augdistill.config.base import Group, Named, by_name, type_of, with_parameters
from augdistill.config.groups import Op


class Holder(Group):
    model: Annotated[Named, by_name(Named, "teacher")]


def test_parameters_are_those_of_the_yaml_file_with_its_types_and_defaults() -> None:
    model = with_parameters(Op, "aug", "cutmix")
    assert model().plain() == dict(parameters("aug", "cutmix"))
    assert model(alpha=2).plain() == {**parameters("aug", "cutmix"), "alpha": 2.0}
    for wrong in ({"alpha": "2"}, {"alpah": 2.0}, {"scope": 3}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            model(**wrong)
    assert with_parameters(Op, "aug", "cutmix") is model


def test_a_plugins_strategy_that_is_not_here_may_have_any_parameters() -> None:
    assert with_parameters(Op, "aug", "nobodys/strategy")(whatever=[1]).plain() == {"whatever": [1]}


@pytest.mark.parametrize(("default", "fitting", "wrong"), [(None, "x", 1), ([1], (2, "a"), 3), (0.5, 1.5, "1")])
def test_the_type_of_a_parameter_is_that_of_its_default(default: object, fitting: object, wrong: object) -> None:
    model = type("model", (Group,), {"__annotations__": {"value": type_of(default)}})
    assert model(value=fitting).value == fitting
    with pytest.raises(ValidationError, match="value"):
        model(value=wrong)


def test_a_group_is_the_model_that_its_name_asks_for() -> None:
    found = Holder.model_validate({"model": {"name": "resnet18", "width": 8}})
    assert found.model.parameters() == {"width": 8}
    assert Holder.model_validate({"model": {"name": "alexnet"}}).model.parameters() == {"dropout": 0.6}
    assert Holder.model_validate({"model": {"name": "nobodys/model", "depth": 3}}).model.parameters() == {"depth": 3}
    for wrong in ({"name": "resnet"}, {"width": 8}, {"name": "resnet18", "dropout": 0.5}, "resnet18"):
        with pytest.raises(ValidationError):
            Holder.model_validate({"model": wrong})
