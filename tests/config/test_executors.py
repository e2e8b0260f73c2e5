"""What an executor may be asked for, and how many stages it runs at once."""

import pytest
from pydantic import ValidationError

from augdistill.base.cores import usable_cores
from augdistill.config.executors import Executor, Local, Ray, Slurm


@pytest.mark.parametrize("bank", ["auto", 1, 2**31 - 1])
def test_a_bank_is_a_number_of_students_or_auto(bank: object) -> None:
    assert Local(name="local", bank=bank).bank == bank


@pytest.mark.parametrize("bank", [0, -1, 1.0, True, "all", 2**31, None])
def test_a_bank_is_nothing_else(bank: object) -> None:
    with pytest.raises(ValidationError, match="auto, or how many students train together"):
        Local(name="local", bank=bank)


@pytest.mark.parametrize("address", [None, "auto", "10.0.0.1:6379", "head-node:1"])
def test_a_ray_cluster_is_at_a_host_and_port(address: str | None) -> None:
    assert Ray(name="ray", address=address).address == address


@pytest.mark.parametrize("address", ["", "host", "host:", ":6379", "ray://host:10001", "host:port", "a:b:1"])
def test_it_is_nowhere_else(address: str) -> None:
    with pytest.raises(ValidationError, match="HOST:PORT"):
        Ray(name="ray", address=address)


def test_as_many_stages_run_at_once_as_there_are_workers_or_cores() -> None:
    assert Local(name="local", workers=3).at_once == 3
    for executor in (Local(name="local"), Slurm(name="slurm"), Executor(name="x")):
        assert executor.at_once == usable_cores()
