"""Text as people read it, and as a terminal may see it."""

from datetime import datetime
from pathlib import Path

import pytest

from augdistill.base.text import (
    dataset_label,
    duration,
    first_text,
    is_no_unicode,
    now,
    pluralise,
    printable,
    printable_line,
    removal,
)


def test_durations_are_said_as_people_do():
    assert [duration(seconds) for seconds in (0.4, 59.6, 65, 3599, 7800)] == [
        "0 s",
        "1 min 0 s",
        "1 min 5 s",
        "59 min 59 s",
        "2 h 10 min",
    ]


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert printable("a\x1b[2J\x07\r\x9b\u202e\nb") == "a?[2J????\nb"


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/x/flowers", "image-folder-flowers"),
        ("flowers/", "image-folder-flowers"),
        ("/x/Blüten 2024", "image-folder-Bluten-2024"),
        ("/x/a+b", "image-folder-a-b"),
        ("/x/花", "image-folder-b0a1eab5"),
        (None, "image-folder"),
    ],
)
def test_a_folder_gives_its_name(path: str | None, label: str) -> None:
    dataset = {"name": "image-folder", "path": path}
    assert dataset_label(dataset) == label


def test_a_line_for_a_terminal_has_no_breaks() -> None:
    assert printable_line(" a\n\tb\x1b[2J\r\nc ") == "a b?[2J c"


def test_the_first_wrong_text_is_named_by_its_place() -> None:
    document = {"a": ["x", {"b": "y"}], "c": {"wrong": 1}, "d": "wrong"}
    assert first_text(lambda text: text == "wrong", document) == "c.wrong"
    assert first_text(lambda text: text == "y", document, "at.") == "at.a.1.b"
    assert first_text(lambda text: text == "z", document) is None


def test_half_of_a_surrogate_pair_is_no_unicode() -> None:
    assert [is_no_unicode(text) for text in ("\ud800", "a\udfffb", "\ud7ff\ue000", "\U0001f600")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_command_that_removes_a_run_says_where_it_lies() -> None:
    assert removal(Path("outputs/runs/teacher-x")) == "augdistill runs remove teacher-x"
    assert removal(Path("/y/runs/teacher-x")) == "augdistill runs remove teacher-x outputs=/y"


def test_counts_and_times_are_words() -> None:
    assert [pluralise(count, "block") for count in (0, 1, 2)] == ["0 blocks", "1 block", "2 blocks"]
    assert datetime.strptime(now(), "%Y-%m-%d %H:%M:%S %Z").year >= 2026
