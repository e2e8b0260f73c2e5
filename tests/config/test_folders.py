"""Files of configs of plain values are read as they are; tests/hostile has those that are not."""

import pytest

from augdistill.base.errors import ConfigError
from augdistill.config import conf_dir
from augdistill.config.folders import has_resolver, is_inside, read_plain


def test_plain_values_are_read_as_they_are(tmp_path) -> None:
    shared = "# @package _global_\nstudy: &s {name: x, blocks: 2, margins: {'1': 0.5}, none: null}\nother: *s\n"
    shared += "third: {<<: *s}\nday: 2026-01-01\nsame: ${study.name}-${study.${study.name}}\n"
    shared += "dataset: {root: '${oc.env:AUGDISTILL_DATA,data}'}\n"  # as a report writes it out
    (tmp_path / "theirs.yaml").write_text(shared)
    assert read_plain(tmp_path, "theirs.yaml") == shared
    for path in (conf_dir() / "study").glob("*.yaml"):
        assert read_plain(path.parent, path.name) == path.read_text()


def test_a_file_is_refused_by_its_place_and_why(tmp_path) -> None:
    for content, words in (
        ("x: !!python/name:os.system\n", "the tag "),
        ("a: [\n", "while parsing"),
        (None, "No such"),
    ):
        if content is not None:
            (tmp_path / "theirs.yaml").write_text(content)
        else:
            (tmp_path / "theirs.yaml").unlink()
        with pytest.raises(
            ConfigError, match=rf"theirs\.yaml is refused: .*{words}.*; a folder of configs holds plain"
        ):
            read_plain(tmp_path, "theirs.yaml")
    with pytest.raises(ConfigError, match="its name leads elsewhere"):
        read_plain(tmp_path, "../theirs.yaml")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a\0b"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    assert not is_inside(name)
    assert is_inside(name.replace("..", "b").lstrip("/").replace("\0", ""))


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("plain $5 {x}", False),
        ("${a.b}", False),
        ("${a.${b}}-${c}", False),
        ("${..a}", False),
        ("${oc.env:HOME}", True),
        ("${a.${oc.env:HOME}}", True),
        ("\\${oc.env:HOME}", True),
        ("$\\{now:%Y}", True),
        ("${a}" * 21, True),  # more than anybody writes
    ],
)
def test_a_resolver_is_more_than_the_name_of_a_key(text: str, asks: bool) -> None:
    assert has_resolver(text) is asks
