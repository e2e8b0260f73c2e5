"""Fonts that can draw what classes are called."""

import logging

from augdistill.report.figures import fonts


def test_names_that_our_font_has_stay():
    assert fonts.drawable(["café", "Ω"]) == (["DejaVu Sans"], ["café", "Ω"])


def test_another_font_draws_what_ours_lacks(monkeypatch, caplog):
    glyphs = {"ours": frozenset(map(ord, "abc")), "a": frozenset(map(ord, "犬")), "b": frozenset(map(ord, "猫"))}
    monkeypatch.setattr(fonts, "path_of", lambda family: "ours")
    monkeypatch.setattr(fonts, "installed", lambda: {"Z": "b", "Y": "a", "X": "ours"})
    monkeypatch.setattr(fonts, "characters", glyphs.get)
    assert fonts.drawable(["ab", "犬"]) == (["DejaVu Sans", "Y"], ["ab", "犬"])
    assert fonts.drawable(["猫", "犬"]) == (["DejaVu Sans", "Y", "Z"], ["猫", "犬"])
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert fonts.drawable(["a", "b鱼", "犬"]) == (["DejaVu Sans", "Y"], ["a", "class 1", "犬"])
    (record,) = caplog.records
    assert "class 1 for b鱼" in record.getMessage()


def test_a_font_of_this_machine_has_the_letters_it_says(tmp_path):
    found = fonts.installed()
    assert ord("a") in fonts.characters(found["DejaVu Sans"])
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert fonts.characters(str(tmp_path / "broken.ttf")) == frozenset()
