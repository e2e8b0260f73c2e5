"""What refusals of a value are made of: what is allowed, the nearest word, names that no path can hide in."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augdistill.base import checks
from augdistill.base.checks import checkpoint_every, nearest
from augdistill.base.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5min", (5, math.inf)),
        ("0.25min", (0.25, math.inf)),
        ("0min", (0, math.inf)),
        ("1epoch", (math.inf, 1)),
        ("3epochs", (math.inf, 3)),
        ("10epochs", (math.inf, 10)),
    ],
)
def test_checkpoints_are_made_every_so_many_minutes_or_epochs(text: str, expected: tuple[float, float]) -> None:
    assert checkpoint_every(text) == expected


@given(st.text(max_size=12))
def test_the_nearest_word_is_one_of_the_known_or_none(word: str) -> None:
    hint = nearest(word, ("momentum", "milestones"))
    assert hint in ("", " (did you mean momentum?)", " (did you mean milestones?)")


def test_a_refusal_names_the_key_the_value_and_what_is_allowed() -> None:
    checks.require(True, "a.b", 3, "")
    checks.one_of("a.b", "mean", ("mean", "sum"))
    checks.check_keys("a.", {"lr": 1}, ("lr", "momentum"))
    for check, words in (
        (lambda: checks.require(False, "a.b", 3, "1 or 2"), "a.b=3 is out of range: 1 or 2"),
        (lambda: checks.one_of("a.b", "mea", ("mean", "sum")), "a.b=mea is unknown (did you mean mean?): choose one "),
        (lambda: checks.one_of("a.b", ["mean"], ("mean",)), "a.b=['mean'] is unknown"),
        (lambda: checks.check_keys("a.", {"momentun": 1}, ("lr", "momentum")), "a.momentun is not a config key (did "),
        (lambda: checks.check_keys("a.", {"x": 1}, ()), "a.x is not a config key: known here are none"),
        (lambda: checkpoint_every("5"), "runtime.checkpoint_every=5 is out of range: minutes or whole epochs"),
    ):
        with pytest.raises(ConfigError) as raised:
            check()
        assert str(raised.value).startswith(words)


@pytest.mark.parametrize("name", ["a", "0", "_x", "A.b+c-d_e", "x" * 200])
def test_a_name_is_itself_in_a_path_a_shell_and_a_page(name: str) -> None:
    assert checks.is_name(name)
    assert not checks.is_prefixed(name)
    assert checks.is_prefixed(f"{name}/{name}")
    assert checks.file_name(f"{name}/{name}") == f"{name}.{name}"
    checks.require_name("study.name", name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "/x", "a b", "a\n", "-a", "ü", "$x", "x" * 201, 3, None]
)
def test_what_could_be_more_than_a_name_is_none(name: object) -> None:
    assert not checks.is_name(name)
    with pytest.raises(ConfigError, match=r"^study\.name=.* is no name: letters, digits and \. _ \+ - are allowed"):
        checks.require_name("study.name", name)


@pytest.mark.parametrize("label", ["", "/a", "a/", "a//b", "../a", "a/../b", "/".join("a" * 11)])
def test_a_label_is_names_between_slashes(label: str) -> None:
    assert not checks.is_prefixed(label)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("CIFAR10", "cifar10"), ("cifra10", "cifar10"), ("train", "train-teacher"), ("c", ""), ("zzz", "")],
)
def test_the_nearest_word_is_known_by_its_beginning_and_in_either_case(word: str, meant: str) -> None:
    assert nearest(word, ("train-teacher", "cifar10")) == (f" (did you mean {meant}?)" if meant else "")
