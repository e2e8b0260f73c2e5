"""What Hydra composes, and what of Hydra itself no word and no file may set."""

from pathlib import Path

import pytest

from augdistill.base.errors import ConfigError, RequestError
from augdistill.cli.composing.compose import check_words, composed, difference, names_object, parse_flags


def test_a_word_and_a_file_change_the_packaged_config_and_nothing_else(tmp_path: Path) -> None:
    plain = composed("train-teacher", [], None)
    assert "hydra" not in plain
    (tmp_path / "aug").mkdir()
    (tmp_path / "aug" / "mine.yaml").write_text("ops: {cutout: {size: 0.25}}\n")
    own = composed("train-teacher", ["aug=mine", "seed=3"], str(tmp_path))
    assert (own.aug, own.seed) == ({"ops": {"cutout": {"size": 0.25}}}, 3)
    assert {key for key in plain if plain[key] != own[key]} == {"aug", "seed"}


def test_a_file_sets_nothing_of_what_is_started(tmp_path: Path) -> None:
    (tmp_path / "aug").mkdir()
    (tmp_path / "aug" / "mine.yaml").write_text("# @package _global_\nhydra: {job: {chdir: true}}\n")
    with pytest.raises(ConfigError, match=rf"the files in {tmp_path} set hydra\.job\.chdir: what is run"):
        composed("train-teacher", ["aug=mine"], str(tmp_path))


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("hydra.job.chdir=true", "changes Hydra itself"),
        ("hydra/job_logging=none", "changes Hydra itself"),
        ("+x@hydra.job=y", "changes Hydra itself"),
        ("seed=${oc.env:HOME}", "no resolver"),
        ("hydra.launcher.x={_target_: os.system}", "no parameter of a launcher or sweeper"),
        ("~hydra.launcher.n_jobs", "no parameter of a launcher or sweeper"),
    ],
)
def test_what_of_hydra_is_not_for_the_command_line_is_refused(word: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        check_words([word])


def test_parameters_of_a_launcher_and_values_of_ours_are_words() -> None:
    words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=x", "seed=${teacher_seed}"]
    assert [str(word.input_line) for word in check_words(words)] == words


def test_objects_are_known_by_their_keys_however_deep() -> None:
    assert names_object({"a": [{"b": {"_target_": "os.system"}}]})
    assert not names_object({"a": [{"b": {"target_": 1}}, "_target_"]})


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--config-path", "x"], "only --config-dir FOLDER adds configs"),
        (["--config-dir", "nowhere"], "--config-dir nowhere is not a folder"),
        (["--resolve"], "--resolve goes with --cfg job"),
        (["-m", "--cfg", "job"], "is allowed, not several"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(words: list[str], line: str) -> None:
    with pytest.raises(RequestError, match=line):
        parse_flags(words)
    assert parse_flags(["-m", "seed=1,2"]).overrides == ["seed=1,2"]


def test_the_first_key_that_differs_is_named() -> None:
    assert difference({"a": {"b": 1}}, {"a": {"b": 1}}, "") is None
    assert difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, "") == "a.c"
    assert difference({"a": True}, {"a": 1}, "") == "a"  # equal to Python, and another type
    assert difference({}, {"a": {"b": 1}}, "") == "a"
