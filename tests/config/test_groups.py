"""What groups of keys say of themselves."""

from pathlib import Path

import pytest

import core
from augdistill.base.errors import ConfigError
from augdistill.config.checking import check_group
from augdistill.config.groups import Aug, Distillation


def test_what_groups_say_of_themselves(tmp_path: Path) -> None:
    config = core.teacher_config(tmp_path, "aug=[flip-crop,cutmix]", "teacher.width=6", "dataset.root=/somewhere")
    assert config.aug.name == "flip-crop+cutmix"
    assert Aug(ops={}).name == "baseline"
    assert config.aug.listed()[0] == ["flip-crop", {"flip": 0.5, "padding": 0.125}]
    assert config.teacher.parameters() == {"width": 6}
    classes = list(range(10))
    assert config.dataset.parameters() == {"size": 16, "channels": 1, "test_images": 360, "classes": classes}
    arguments = config.dataset.reader_arguments(str(tmp_path))
    assert arguments == {
        "root": Path("/somewhere"),
        "cache": tmp_path / "cache",
        "verify": True,
        "size": 16,
        "channels": 1,
        "test_images": 360,
        "classes": classes,
    }


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ({}, (0.5, 0.5)),
        ({"alpha": 9, "label_weight": 0.1}, (0.1, 9)),
        ({"alpha": 1, "label_weight": 1}, (1, 1)),
        ({"alpha": 0.3, "mixed_labels": "none"}, (0, 0.3)),
        ({"alpha": 0.3, "label_weight": 2, "mixed_labels": "teacher-only"}, (2, 0.3)),
        ({"alpha": 0, "label_weight": 3, "mixed_labels": "none"}, (1, 0)),  # labels alone
    ],
)
def test_label_and_teacher_have_weights_of_their_own(values: dict[str, object], weights: tuple[float, float]) -> None:
    assert Distillation(**values).weights == weights


def test_an_alpha_above_1_asks_for_the_labels_weight() -> None:
    told = r"^distillation\.alpha=9.* at most 1 unless distillation\.label_weight is given, as in distillation\.alpha=0"
    with pytest.raises(ConfigError, match=told):
        check_group("distillation", {"alpha": 9})
