"""Commands that compose nothing: their options, and what they refuse."""

import pytest

from augdistill.cli import plain
from command_line import assert_refused, files


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
    "data fetch": ["fetch what"],
    "data fetch cifra10": ["cifra10", "did you mean cifar10"],
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused_in_one_line_with_nothing_written(words, run_here, tmp_path):
    assert_refused(run_here(words.split(), tmp_path), *REFUSED[words])
    assert files(tmp_path) == set()
