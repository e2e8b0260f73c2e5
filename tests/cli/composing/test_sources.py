"""Folders of configs as Hydra looks into them: plain values alone, nothing outside, plugins under their prefix."""

from pathlib import Path

import pytest
from hydra.core.object_type import ObjectType

from augdistill.base.errors import ConfigError
from augdistill.cli.composing.sources import PlainSource, PluginSource, one_line, search_path
from augdistill.config import conf_dir


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a strategy, a group of its own, and a link to what lies outside."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "far.yaml").write_text("x: 1\n")
    inside = tmp_path / "inside"
    for name, text in {"aug/mine": "ops: {}\n", "other/a": "b: 1\n", "aug/bad name": "x: 1\n"}.items():
        path = inside / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (inside / "linked").symlink_to(tmp_path / "outside")
    return inside


def plain(folder: Path) -> PlainSource:
    return PlainSource("command-line", f"plain://{folder}")


def plugin(folder: Path) -> PluginSource:
    return PluginSource("mypkg", f"plugin://{folder}")


def test_a_folder_gives_what_lies_in_it_and_nothing_else(folder: Path) -> None:
    source = plain(folder)
    assert source.load_config("aug/mine.yaml").config == {"ops": {}}
    assert sorted(source.list("", ObjectType.GROUP)) == ["aug", "linked", "other"]
    assert source.list("other", ObjectType.CONFIG) == ["a"]
    assert source.list("linked", ObjectType.CONFIG) == []
    assert source.list("../outside", ObjectType.CONFIG) == []
    with pytest.raises(ConfigError, match="a link to outside the folder"):
        source.load_config("linked/far.yaml")


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "? {x: 1}\n: 2\n", "a: &x [*x]\n"])
def test_what_holds_no_plain_values_is_refused_in_one_line(folder: Path, text: str) -> None:
    (folder / "other" / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"other/a\.yaml is refused: ") as raised:
        plain(folder).load_config("other/a.yaml")
    assert "\n" not in str(raised.value)


def test_a_plugins_configs_are_called_by_its_prefix(folder: Path) -> None:
    source = plugin(folder)
    assert source.list("aug", ObjectType.CONFIG) == ["mypkg/mine"]
    assert source.list("aug/mypkg", ObjectType.CONFIG) == ["mine"]
    assert source.list("other", ObjectType.CONFIG) == source.list("", ObjectType.GROUP) == []
    assert [source.is_config(name) for name in ("aug/mypkg/mine", "aug/mine", "aug/theirs/mine")] == [
        True,
        False,
        False,
    ]
    assert source.load_config("aug/mypkg/mine.yaml").header["package"] == "aug"


def test_a_folder_given_takes_the_place_of_none_of_our_choices(folder: Path) -> None:
    paths = [str(element.path) for element in search_path(str(folder)).get_path()]
    ours = next(place for place, path in enumerate(paths) if path.endswith(str(conf_dir())))
    assert ours < paths.index(f"plain://{folder}")
    assert not [element for element in search_path(None).get_path() if str(element.path).startswith("plain:")]


def test_an_error_of_many_lines_is_one() -> None:
    assert one_line(ValueError("a\n   b\tc")) == "ValueError a b c"
    assert len(one_line(ValueError("x" * 999))) == 160
