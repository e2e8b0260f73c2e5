"""The schema: what `conf/` offers, and the small readers of a config."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import core
from augdistill import augment, models
from augdistill.base.checks import checkpoint_every, nearest
from augdistill.base.errors import ConfigError
from augdistill.config import choices, conf_dir, parameters
from augdistill.config.groups import Aug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("5min", (5, math.inf)), ("0.25min", (0.25, math.inf)), ("0min", (0, math.inf))),
        *(("1epoch", (math.inf, 1)), ("3epochs", (math.inf, 3)), ("10epochs", (math.inf, 10))),
    ],
)
def test_checkpoints_are_made_every_so_many_minutes_or_epochs(text: str, expected: tuple[float, float]) -> None:
    assert checkpoint_every(text) == expected


@pytest.mark.parametrize(("group", "table"), [("aug", augment.AUGMENTATIONS), ("student", models.MODELS)])
def test_choices_are_the_files_and_each_has_a_function(group: str, table: dict[str, Any]) -> None:
    files = {path.stem for path in (conf_dir() / group).glob("*.yaml")} - {"baseline"}
    assert set(choices(group)) - {"baseline"} == files == set(table)
    assert choices("student_aug") == choices("aug")
    assert choices("teacher_optim") == choices("optim")


def test_conf_is_found_and_read_as_written() -> None:
    written = yaml.safe_load((conf_dir() / "aug" / "flip-crop.yaml").read_text())
    assert parameters("aug", "flip-crop") == written["ops"]["flip-crop"]
    assert set(parameters("dataset", "image-folder")) == {"path", "size", "channels", "background"}
    with pytest.raises(ConfigError, match=r"student=lenett is unknown \(did you mean lenet\?\)"):
        parameters("student", "lenett")


def test_what_groups_say_of_themselves(tmp_path: Path) -> None:
    config = core.teacher_config(tmp_path, "aug=[flip-crop,cutmix]", "teacher.width=6", "dataset.root=/somewhere")
    assert config.aug.name == "flip-crop+cutmix"
    assert Aug(ops={}).name == "baseline"
    assert config.aug.listed()[0] == ["flip-crop", {"flip": 0.5, "padding": 0.125}]
    assert config.teacher.parameters() == {"width": 6}
    assert config.dataset.parameters() == {"size": 16, "channels": 1, "test_images": 360}
    arguments = config.dataset.reader_arguments(str(tmp_path))
    assert arguments == {
        "root": Path("/somewhere"),
        "cache": tmp_path / "cache",
        "verify": True,
        "size": 16,
        "channels": 1,
        "test_images": 360,
    }


@given(st.text(max_size=12))
def test_the_nearest_word_is_one_of_the_known_or_none(word: str) -> None:
    hint = nearest(word, ("momentum", "milestones"))
    assert hint in ("", " (did you mean momentum?)", " (did you mean milestones?)")
