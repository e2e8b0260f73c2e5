"""The folder of values: each choice is a file, read as it is written."""

from typing import Any

import pytest
import yaml

from augdistill import augment, models
from augdistill.base.errors import ConfigError
from augdistill.config import choices, conf_dir, parameters
from augdistill.config.places import files, shared_recipes, written


@pytest.mark.parametrize(("group", "table"), [("aug", augment.AUGMENTATIONS), ("student", models.MODELS)])
def test_choices_are_the_files_and_each_has_a_function(group: str, table: dict[str, Any]) -> None:
    files = {path.stem for path in (conf_dir() / group).glob("*.yaml")} - {"baseline"}
    files |= set(shared_recipes()) if group == "student" else set()
    assert set(choices(group)) - {"baseline"} == files == set(table)
    assert choices("student_aug") == choices("aug")
    assert choices("teacher_optim") == choices("optim")


def test_conf_is_found_and_read_as_written() -> None:
    written = yaml.safe_load((conf_dir() / "aug" / "flip-crop.yaml").read_text())
    assert parameters("aug", "flip-crop") == written["ops"]["flip-crop"]
    assert set(parameters("dataset", "image-folder")) == {"path", "size", "channels", "background"}
    with pytest.raises(ConfigError, match=r"student=lenett is unknown \(did you mean lenet\?\)"):
        parameters("student", "lenett")


def test_models_that_share_a_recipe_need_no_files_of_their_own() -> None:
    for model, recipe in shared_recipes().items():
        assert files("optim")[model] == conf_dir() / "optim" / f"{recipe}.yaml"
        assert written("optim", model) == written("optim", recipe)
        assert {model} <= {*choices("teacher")} & {*choices("student")} & {*choices("optim")}
    assert written("teacher", "resnet20") == written("student", "resnet20") == {"name": "resnet20"}
    assert parameters("teacher", "resnet20") == {}
    assert written("teacher", "resnet50") == {"name": "resnet50", "width": 64}  # its file says more
    assert parameters("student", "resnet34") == {"width": 64}
