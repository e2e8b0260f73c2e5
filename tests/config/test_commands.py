"""A command's config holds its job, or what is changed in each run's own dataset."""

import pytest
from pydantic import ValidationError

from augdistill.config.commands import COMMANDS, AsTrained
from augdistill.config.groups import Dataset
from composed import OF_COMMANDS, compose, job


@pytest.mark.parametrize("command", ["train-teacher", "distill"])
def test_a_command_that_trains_is_its_job_and_whether_to_wait(command: str) -> None:
    values = compose(command, "dataset=digits", "aug=cutmix", "wait=false")
    config = COMMANDS[command].model_validate(values)
    assert config.wait is False
    assert {key: value for key, value in config.plain().items() if key not in OF_COMMANDS} == job(
        command, values
    ).plain()
    assert isinstance(config, type(job(command, values)))


def test_an_evaluation_is_of_a_dataset_or_of_each_runs_own() -> None:
    own = COMMANDS["evaluate"].model_validate(compose("evaluate", "+dataset.root=elsewhere"))
    assert isinstance(own.dataset, AsTrained)
    assert own.dataset.root == "elsewhere"
    other = COMMANDS["evaluate"].model_validate(compose("evaluate", "dataset=digits"))
    assert isinstance(other.dataset, Dataset)
    assert other.dataset.name == "digits"
    digits = compose("evaluate", "dataset=digits")
    with pytest.raises(ValidationError, match="dataset"):
        COMMANDS["evaluate"].model_validate(digits | {"dataset": digits["dataset"] | {"name": "digitz"}})
