"""What --help prints: usage, examples, what is chosen, keys with their meaning, one key in full."""

import shlex

import pytest

from augdistill.base.errors import ConfigError
from augdistill.cli.explained import EXAMPLES, columns, help_text, shown
from augdistill.cli.main import COMPOSING, helped
from augdistill.cli.words import as_overrides, written_out
from augdistill.config.checking import check_command
from composed import compose


@pytest.mark.parametrize("command", COMPOSING)
def test_help_has_usage_examples_choices_and_keys_with_meanings(command: str) -> None:
    told = helped(command, ["--help"])
    assert told.startswith(f"usage: augdistill {command} ")
    assert "--config-dir FOLDER" in told
    assert all(line in told for line in EXAMPLES[command])
    assert "what is chosen, and what there is to choose from:" in told
    assert "  outputs=outputs " in told
    assert max(map(len, told.splitlines())) <= 120
    assert told.endswith(f"augdistill {command} --help KEY tells one in full.")


@pytest.mark.parametrize(("command", "line"), [(command, line) for command in EXAMPLES for line in EXAMPLES[command]])
def test_an_example_composes(command: str, line: str) -> None:
    command, *typed = shlex.split(line)[1:]
    words = [word for word in typed if word not in ("-m", "--config-dir", "mine", "calibrated")]
    sweeping = "-m" in line
    words = [word.split(",")[0] if sweeping else word for word in written_out(command, words)]
    config = compose(command, *as_overrides(command, words))
    if "predictions=" not in line and command != "import-teacher":
        assert check_command(command, config)


def test_one_key_is_told_in_full() -> None:
    assert helped("distill", ["--help", "T"]).startswith("distillation.temperature=20\n  ")
    assert helped("distill", ["student=alexnet", "--help", "student"]).count("\n\n") == 1  # name and dropout
    assert helped("study", ["--help", "study.teacher.optim"]).count("study.teacher.optim.") >= 14
    with pytest.raises(ConfigError, match=r"--help optim.lrr: there is no such key \(did you mean optim.lr\?\)"):
        helped("train-teacher", ["--help", "optim.lrr"])


def test_help_is_about_what_the_words_choose() -> None:
    told = helped("train-teacher", ["teacher=resnet9", "--help"])
    assert "teacher=resnet9 " in told
    assert "channels of the first block" in told
    assert "study.students.lenet. ..." in help_text("study", compose("study"))


def test_values_are_shown_as_they_are_typed() -> None:
    assert [shown(value) for value in (None, True, [1, "a"], {}, 0.5)] == ["null", "true", "[1,a]", "{}", "0.5"]
    assert columns([("key", "a meaning of several words")], 30) == ["  key  a meaning of several", "       words"]
