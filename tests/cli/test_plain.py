"""Commands that compose nothing: their options, and what they refuse."""

import pytest

from augdistill.cli import plain
from command_line import assert_refused, files
from data_files import write_mnist


@pytest.mark.parametrize("command", plain.commands())
def test_help_shows_every_option(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGDISTILL_DATA", "100%")
    with pytest.raises(SystemExit):
        plain.run(command, ["--help"])
    told = capsys.readouterr().out
    assert told.startswith(f"usage: augdistill {command}")
    assert all(option.flag in told for option in plain.commands()[command].options if option.help)


# words -> what the one line must say: what was wrong, and what is allowed or to be typed
REFUSED = {
    "runs show 22e43682": ["no run is called 22e43682"],
    "runs outptus=x": ["outptus is not a key of runs (did you mean outputs?)"],
    "runs show": ["which run"],
    "runs show nothing": ["no run is called nothing"],
    "runs shwo": ["runs: action=shwo is unknown (did you mean show?): choose one of list, "],
    "runs list teachers": ["runs: kind=teachers is unknown (did you mean teacher?): choose one of teacher, "],
    "runs rm student": ["runs: action=rm is unknown (did you mean remove?)"],
    "data list": ["data: action=list is unknown (did you mean status?)"],
    "data download cifar10": ["did you mean fetch?"],
    "data fetch": ["fetch what"],
    "data verify": ["verify what? type augdistill data verify NAME"],
    "data verify cifra10": ["cifra10", "did you mean cifar10"],
    "data status mnist": ["too many words: mnist"],
    "data fetch cifra10": ["cifra10", "did you mean cifar10"],
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused_in_one_line_with_nothing_written(words, run_here, tmp_path):
    assert_refused(run_here(words.split(), tmp_path), *REFUSED[words])
    assert files(tmp_path) == set()


def test_a_copy_that_is_there_and_wrong_is_not_taken_for_fetched(run_here, tmp_path):
    write_mnist(tmp_path / "data")
    ran = run_here(["data", "fetch", "mnist", "dataset.root=data"], tmp_path)
    assert ran.code == 2
    assert "is not the publisher's file" in ran.stderr.splitlines()[-1]
    told = run_here(["data", "dataset.root=data"], tmp_path).stdout
    assert told.count("there, not verified") == 2
    assert told.count("augdistill data verify mnist") == 2
