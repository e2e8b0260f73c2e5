"""One line for what Hydra cannot compose: the nearest key or choice, those there are, what to type."""

import pytest
from omegaconf import OmegaConf

from augdistill.cli.refusals import config_keys, dotted
from command_line import assert_refused, files
from composed import compose

# words -> what the one line must say: what was wrong, and what is allowed or to be typed
REFUSED = {
    "train-teacher aug=cutmx": ["aug=cutmx", "did you mean cutmix", "flip-crop"],
    "train-teacher teacher.widht=8": ["teacher.widht", "did you mean teacher.width"],
    "train-teacher +sed=1": ["sed is not a config key", "did you mean seed"],
    "train-teacher optim.epochs=two": ["optim.epochs", "two"],
    "train-teacher word": ["word is not an override: write KEY=VALUE"],
    "study papr": ["study=papr is unknown (did you mean paper?)"],
    "study tiny paper": ["tiny paper are 2 studies: one at a time, as in study tiny"],
    "train-teacher lr=0.1": ["lr is not a config key (did you mean optim.lr?)"],
    "distill T=4": ["T is not a config key (did you mean distillation.temperature?)"],
    "evaluate x": ["did you mean run=x?"],
    "evaluate-attack pgd": ["did you mean attack=pgd?"],
    "evaluate corruptions={name:made}": ["is a map, corruptions a list: quote 'corruptions=[{name:"],
    "evaluate corruptions=[{name:made,severities:[6]}]": [
        "severities=[6] is out of range: a list, each entry a whole number, 1 or more, at most 5"
    ],
    "evaluate corruptions=[cifar-10-c]": ["name=cifar-10-c is unknown (did you mean cifar10-c?): choose one of made"],
    "study study.attacks=[{name:pgd,stps:4}]": [
        "stps is not a config key (did you mean steps?): known here are name, norm, "
    ],
    "study study.corruptions=[{severities:[1]}]": ["name is missing: choose one of made"],
    "distill lenet": ["did you mean student=lenet?"],
    "train-teacher aug=flip-crop,cutmix": ["aug=flip-crop,cutmix are", "add -m", "'aug=[flip-crop,cutmix]' is a list"],
    "study study=tiny study.teacher=resnet9 study.teacher.optim.lr=1": [
        "study.teacher=resnet9 is not a group of keys, so that study.teacher.optim.lr is none: type "
        "teacher@study.teacher=resnet9"
    ],
    "study study=quikstart": ["study=quikstart", "did you mean quickstart"],
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused_in_one_line_with_nothing_written(words, run_here, tmp_path):
    assert_refused(run_here(words.split(), tmp_path), *REFUSED[words])
    assert files(tmp_path) == set()


def test_the_keys_of_a_command_are_those_that_it_composes():
    composed = compose("train-teacher", "aug=cutmix")
    keys = config_keys("train-teacher", ["aug=cutmix"])
    assert {key.partition(".")[0] for key in keys} == {*composed}
    assert {key for key in keys if key.startswith("aug.ops.cutmix.")} == {
        f"aug.ops.cutmix.{name}" for name in composed["aug"]["ops"]["cutmix"]
    }
    assert "aug.ops.cutmix.prob" not in config_keys("train-teacher", ["aug=cutmx"])  # of a choice that is none
    assert dotted("", OmegaConf.create({"a": {"b": 1}, "c": None})) == ["a", "a.b", "c"]
