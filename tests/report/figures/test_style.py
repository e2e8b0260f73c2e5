"""The report's own backend, style and fonts, whatever the user's matplotlib is set to."""

import logging
import os
import subprocess
import sys

import matplotlib
import pytest

from augdistill.report.figures import fonts, style

DRAW = """
from augdistill.report.figures import style
with style.applied():
    figure, (axes,) = style.panels(1, 1)
    axes.set_title("a $5 class_1")
    figure.savefig({path!r}, format="svg", metadata={{"Date": None}})
import matplotlib
print(matplotlib.rcParams["text.usetex"], matplotlib.get_backend(auto_select=False))
"""


@pytest.mark.parametrize(
    ("settings", "backend", "told"),
    [
        ("", "", "False None"),
        ("text.usetex: True\nfont.family: serif\nsavefig.bbox: tight\naxes.grid.axis: x\n", "", "True None"),
        ("", "module://matplotlib_inline.backend_inline", "False None"),  # as Jupyter exports it, not installed here
        ("", "svg", "False svg"),
    ],
)
def test_what_the_user_has_set_changes_no_figure_and_stays(settings, backend, told, tmp_path):
    (tmp_path / "matplotlibrc").write_text(settings)
    with style.applied():
        figure, (axes,) = style.panels(1, 1)
        axes.set_title("a $5 class_1")
        figure.savefig(tmp_path / "ours.svg", format="svg", metadata={"Date": None})
    environ = {**os.environ, "MATPLOTLIBRC": str(tmp_path), **({"MPLBACKEND": backend} if backend else {})}
    program = DRAW.format(path=str(tmp_path / "theirs.svg"))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environ, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, told), ended.stderr
    assert (tmp_path / "theirs.svg").read_bytes() == (tmp_path / "ours.svg").read_bytes()


def test_within_a_program_that_has_settings_of_its_own():
    with matplotlib.rc_context({"text.usetex": True, "figure.dpi": 33}):
        with style.applied():
            assert (matplotlib.rcParams["text.usetex"], matplotlib.rcParams["figure.dpi"]) == (False, 100)
        assert matplotlib.rcParams["figure.dpi"] == 33


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
