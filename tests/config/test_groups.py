"""What groups of keys say of themselves."""

from pathlib import Path

import core
from augdistill.config.groups import Aug


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
