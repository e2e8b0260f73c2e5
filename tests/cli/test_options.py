"""Commands that compose nothing: flags, KEY=VALUE and plain words give the same values."""

from pathlib import Path
from typing import Any

import pytest

from augdistill.base.errors import RequestError
from augdistill.cli import plain
from augdistill.cli.options import read


def values(command: str, *words: str) -> dict[str, Any]:
    return read(command, plain.commands()[command], words)


@pytest.mark.parametrize(
    ("command", "words", "wanted"),
    [
        ("runs", [], {"action": "list", "target": None, "watch": False, "outputs": Path("outputs"), "wait": True}),
        ("runs", ["show", "22e43682"], {"action": "show", "target": "22e43682"}),
        ("runs", ["action=show", "target=1e3"], {"action": "show", "target": "1e3"}),
        ("runs", ["--outputs", "a b", "show", "x"], {"outputs": Path("a b"), "target": "x"}),
        ("runs", ["list", "--watch", "teacher"], {"watch": True, "target": "teacher"}),
        (
            "runs",
            ["watch=true", "watch_seconds=0.1", "wait=false"],
            {"watch": True, "watch_seconds": 0.1, "wait": False},
        ),
        ("runs", ["outputs='2024_11_29'"], {"outputs": Path("2024_11_29")}),
        ("runs", ["outputs=a=[b],c'd"], {"outputs": Path("a=[b],c'd")}),
        ("runs", ["show", "./a=b/runs/x"], {"target": "./a=b/runs/x"}),
        ("data", ["fetch", "mnist", "dataset.root=1e3"], {"target": "mnist", "dataset_root": Path("1e3")}),
        ("data", ["--root=x"], {"dataset_root": Path("x")}),
        ("report", ["study=[paper,paper-mnist]"], {"studies": ["paper", "paper-mnist"]}),
        ("report", ["studies=2024,b"], {"studies": ["2024", "b"]}),
        ("report", ["a", "b"], {"studies": ["a", "b"]}),
        ("compare", ["x", "--a", "model=lenet,role=student", "--b=role=teacher"], {"study": "x", "b": "role=teacher"}),
        (
            "compare",
            ["study=x", "a=model=lenet", "paired=null", "classes=false"],
            {"a": "model=lenet", "classes": False},
        ),
        ("doctor", ["runtime.device=cpu", "--threads", "2"], {"runtime_device": "cpu", "runtime_threads": 2}),
    ],
)
def test_what_is_typed_is_what_is_read(command: str, words: list[str], wanted: dict[str, Any]) -> None:
    found = values(command, *words)
    assert {key: found[key] for key in wanted} == wanted


def test_the_home_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert (
        values("runs", "outputs='~/x'")["outputs"]
        == values("runs", "--outputs", "~/x")["outputs"]
        == Path("/home/me/x")
    )


@pytest.mark.parametrize(
    ("command", "words", "wanted"),
    [
        ("runs", ["--wacth"], r"--wacth is no flag \(did you mean --watch\?\)"),
        ("runs", ["outptus=x"], r"outptus is not a key of runs \(did you mean outputs\?\): known are outputs"),
        ("runs", ["a", "b", "c", "d"], "too many words: a b c d"),
        ("runs", ["watch_seconds=0"], "watch_seconds=0 is out of range"),
        ("runs", ["watch=maybe"], "watch=maybe is no truth value: true or false"),
        ("runs", ["outputs="], "outputs= names no folder"),
        ("compare", ["x", "--a"], "expected one argument"),
        ("doctor", ["x"], "too many words"),
        ("doctor", ["runtime.threads=two"], "runtime.threads=two is no whole number"),
    ],
)
def test_what_cannot_be_read_is_refused(command: str, words: list[str], wanted: str) -> None:
    with pytest.raises(RequestError, match=wanted):
        values(command, *words)
