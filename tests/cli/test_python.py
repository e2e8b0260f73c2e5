"""Keyword arguments are the words that somebody would type."""

import pytest

from augdistill.base.errors import ConfigError, RequestError
from augdistill.cli import python
from composed import compose


def test_keyword_arguments_compose_what_words_do():
    choices = {"aug": ["flip-crop", "cutmix"], "optim": {"epochs": 3, "clip_norm": None}, "dataset": "digits"}
    words = ("aug=[flip-crop,cutmix]", "optim.epochs=3", "optim.clip_norm=null", "dataset=digits")
    assert python.composed("train-teacher", ("seed=2",), choices) == compose("train-teacher", *words, "seed=2")
    own = {"student_aug": "cutmix", "distillation": {"teacher": "2024_11_29", "temperature": 4.0}, "wait": False}
    typed = (
        "aug@student_aug=cutmix",
        "distillation.teacher='2024_11_29'",
        "distillation.temperature=4.0",
        "wait=false",
    )
    assert python.composed("distill", (), own) == compose("distill", *typed)


def test_what_cannot_be_composed_is_refused_in_one_line():
    for choices, words in (({"aug": "cutmx"}, "did you mean cutmix"), ({"optimm": {"epochs": 1}}, "optimm")):
        with pytest.raises(ConfigError, match=words) as refusal:
            python.composed("train-teacher", (), choices)
        assert "\n" not in str(refusal.value)
    with pytest.raises(RequestError, match="there are none in Python"):
        python.composed("train-teacher", ("-m",), {})
