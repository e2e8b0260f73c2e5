"""What is said of flags that are none, and of those of Hydra's that are not allowed."""

import pytest

from augdistill.base.errors import RequestError
from augdistill.cli.composing.flags import FLAGS, check_flags

ALLOWED = [flag for flag in FLAGS if flag not in ("--config-path", "-cp")]
CONFIGS = "--config-path and hydra.searchpath are not allowed: add configs with --config-dir FOLDER"
RERUN = "--experimental-rerun loads a pickle and is not allowed: repeat the command itself"
REFUSED = {
    "--seed 3": "--seed is no flag: type seed=3 without dashes",
    "--seed=3": "--seed is no flag: type seed=3 without dashes",
    "--checkpoint-every 3": "--checkpoint-every is no flag: type checkpoint_every=3 without dashes",
    "--seed aug=cutmix": "--seed is no flag: values are written KEY=VALUE, as in seed=3",
    "--seed --multirun": "--seed is no flag: values are written KEY=VALUE, as in seed=3",
    "--multirum": "--multirum is no flag (did you mean --multirun?): values are written KEY=VALUE, as in seed=3",
    "seed=1 --dry-run": "--dry-run is of study, and of runs remove: this command has none",
    "--experimental-rerun=a.pickle": RERUN,
    "-cp=conf": CONFIGS,
    "++hydra.searchpath=[a]": CONFIGS,
    "-sc install=bash": "--shell-completion is Hydra's and completes nothing here: type augdistill completion bash",
    "hydra/launcher=joblib": "hydra/launcher has an effect in sweeps only: add -m",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_no_flag_is_told_in_one_line(words: str) -> None:
    with pytest.raises(RequestError) as told:
        check_flags(words.split())
    assert str(told.value) == REFUSED[words]


@pytest.mark.parametrize("words", [*ALLOWED, "-m hydra/launcher=joblib", "--config-dir=here aug=mixup", "optim.lr=-1"])
def test_flags_and_values_pass(words: str) -> None:
    check_flags(words.split())
