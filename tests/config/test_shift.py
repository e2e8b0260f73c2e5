"""What evaluations under shift are asked for by: names alone, or with values, and what is refused."""

import re

import pytest

from augdistill.base.errors import ConfigError
from augdistill.config import choices
from augdistill.config.checking import check_command
from augdistill.config.shift import Attack
from composed import compose


def study(*words: str):
    return check_command("study", compose("study", "study=tiny", *words)).study


def test_names_alone_are_groups():
    found = study("study.corruptions=[made]", "study.attacks=[fgsm,pgd-l2]", "study.unknown=[noise]")
    assert [one.severities for one in found.corruptions] == [(1, 2, 3, 4, 5)]
    assert [(one.name, one.steps, one.norm) for one in found.attacks] == [("fgsm", 1, "linf"), ("pgd-l2", 20, "l2")]
    assert found.unknown[0].called("digits-test") == "digits-test+unknown-noise"
    assert found.corruptions[0].called("digits-test") == "digits-test+made-corruptions"


def test_values_stand_beside_a_name():
    found = study("study.attacks=[pgd,{name: fgsm, images: 7},{name: mine, steps: 3}]", "study.corruptions=made")
    assert [(one.name, one.steps, one.images) for one in found.attacks] == [
        ("pgd", 20, 1000),
        ("fgsm", 1, 7),
        ("mine", 3, 1000),
    ]
    assert (study().corruptions, study().attacks, study().unknown) == ((), (), ())


@pytest.mark.parametrize("name", choices("attack"))
def test_a_file_says_every_value(name):
    values = compose("evaluate-attack", f"attack={name}")["attack"]
    assert {*values} == {*Attack.model_fields} - {"kind"}
    assert check_command("evaluate-attack", compose("evaluate-attack", f"attack={name}")).attack.name == name


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("study.corruptions=[{name: made, severities: [0, 3]}]", "severities"),
        ("study.corruptions=[{name: made, severities: [3, 6]}]", "severities"),
        ("study.corruptions=[{name: made, severities: [3, 1]}]", "rising numbers"),
        ("study.corruptions=[{name: made, severities: []}]", "severities"),
        ("study.corruptions=[imagenet-c]", "made"),
        ("study.corruptions=[made,made]", "each name once"),
        ("study.attacks=[{name: pgd, radii: [0]}]", "radii"),
        ("study.attacks=[{name: pgd, norm: l1}]", "norm"),
        ("study.attacks=[{name: fgsm, restarts: 3}]", "restarts"),
        ("study.attacks=[{name: a/b, steps: 3}]", "letters, digits"),
        ("study.attacks=[pgdd]", "pgd"),
        ("study.attacks=[{name: pdg, images: 9}]", "pgd"),
        ("study.unknown=[mnistt]", "mnist"),
        ("study.unknown=[{name: noise, images: 0}]", "images"),
    ],
)
def test_what_cannot_be_is_one_line(word, said):
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        study(word)
    assert "\n" not in str(refused.value)
