"""The report's own backend, style and fonts, whatever the user's matplotlib is set to."""

import itertools
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from augdistill.report.figures import style

DRAW = """
from augdistill.report.figures import style
with style.applied():
    figure, (axes,) = style.panels(1, 1)
    axes.set_title("a $5 class_1")
    figure.savefig({path!r}, format="svg", metadata={{"Date": None}})
import matplotlib
print(matplotlib.rcParams["text.usetex"], matplotlib.get_backend(auto_select=False))
"""


NOWHERE = "module://nowhere_inline.backend_inline"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "backend", "told"),
    [
        ("", "", "False None"),
        ("text.usetex: True\nfont.family: serif\nsavefig.bbox: tight\naxes.grid.axis: x\n", "", "True None"),
        ("", NOWHERE, f"False {NOWHERE}"),
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


# What the colour-blind see of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    """sRGB as linear light (IEC 61966-2-1)."""
    value = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """WCAG 2.1."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(light):
    """CIE L*a*b*, D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in matrix @ light / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("dark", [False, True])
def test_strategies_stand_out_and_are_told_apart_whatever_one_sees(dark):
    colours = [style.DARK[colour] if dark else colour for colour in style.STRATEGY_COLOURS.values()]
    page = style.DARK[style.PAPER] if dark else "#ffffff"
    assert min(contrast(colour, page) for colour in colours) > 3
    for vision, matrix in VISIONS.items():
        seen = [lab(np.clip(np.array(matrix) @ linear(colour), 0, 1)) for colour in colours]
        nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
        assert nearest > 15, vision


def test_every_strategy_has_its_own_look_also_unknown_and_stacked_ones():
    names = ["baseline", "flip-crop", "cutout", "mixup", "cutmix", "labels", "mine", "yours", "flip-crop+cutmix"]
    palette = style.Palette(names)
    looks = {(palette.colour(n), palette.marker(n), palette.line(n), palette.fill(n)) for n in names}
    assert len(looks) == len(names)
    assert palette.colour("flip-crop+cutmix") == palette.colour("cutmix")
    assert {palette.colour(n) for n in names} <= set(style.DARK)


def test_on_a_phone_panels_stand_below_each_other():
    wide, axes = style.panels(4, 3, width=3.4, height=2)
    assert tuple(wide.get_size_inches()) == (pytest.approx(10.2), 4)
    with style.stacked():
        narrow, stacked = style.panels(4, 3, width=3.4, height=2)
        small, _ = style.panels(10, 5, width=2.05)
        assert style.across(3, 3.4) == 1
    assert tuple(narrow.get_size_inches()) == (pytest.approx(3.4), 8)
    assert small.get_figwidth() <= style.PHONE
    assert len(axes) == len(stacked) == 4
    assert style.across(3, 3.4) == 3
