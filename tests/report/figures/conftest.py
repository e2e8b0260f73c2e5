"""A synthetic study of the paper's shape, whose classes have names that could be markup, and all of its figures."""

from pathlib import Path

import pytest

import saved_studies
from augdistill.report.figures import FIGURES, Figure, FigureContext, images, make_figures, style

HOSTILE = ["<script>alert(1)</script>", "a & b", "$5", '"quoted"', "x_y^z", "ünï", "6", "7", "8", "9"]


@pytest.fixture(scope="session")
def source(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FigureContext:
    """Two blocks of one student per teacher."""
    words = ("study.blocks=2", "study.students_per_teacher=1")
    outputs = tmp_path_factory.mktemp("figures")
    return FigureContext.of(saved_studies.write_study_on(data, outputs, "paper", *words, classes=HOSTILE))


APART = {"grids", "factors", "shift"}  # what the study does not ask for


@pytest.fixture(scope="session")
def drawn(source: FigureContext) -> list[Figure]:
    """Every figure that a study without grids, factors and shift has."""
    with style.applied():
        made = {name: make_figures(name, source) for name, one in FIGURES.items() if not APART & {*one.needs}}
    assert not [found for found in made.values() if isinstance(found, str)]
    return [images.freeze_layout(figure) for figures in made.values() for figure in figures]
