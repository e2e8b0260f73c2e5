"""What every figure is made from and what stands above it."""

from dataclasses import replace

from matplotlib import figure as mpl

import saved_studies
from augdistill.report.figures import FIGURES, Figure, FigureContext, make_figures, style
from augdistill.report.figures.base import sentence


def test_one_block_and_missing_arms_still_make_figures(tmp_path):
    words = ("study=tiny", "study.blocks=1")
    saved = saved_studies.write_study(tmp_path, *words, statuses={"cutmix": "missing"})
    source = FigureContext.of(saved)
    with style.applied():
        made = {name: make_figures(name, source) for name in FIGURES}
    left_out = {name: found for name, found in made.items() if isinstance(found, str)}
    of_factors, of_grids = {"Factors", "Interactions"}, {"Effect by cell", "Accuracy over values", "Teacher properties"}
    not_asked = {name for name, one in FIGURES.items() if {"shift", "costs"} & {*one.needs}}
    assert set(left_out) == {"Effect on students", "Figure 4", "Figure 5", *of_grids, *of_factors, *not_asked}
    (figure,) = made["Figure 1"]
    assert "CutMix" not in figure.alternative


def test_a_heading_carries_the_papers_number():
    figure = Figure("figure-x", "a caption", "an alternative", mpl.Figure(), title="Accuracy")
    assert (figure.heading, replace(figure, number="Figure 9").heading) == ("Accuracy", "Figure 9. Accuracy")
    assert sentence(["a", "", "b"]) == "a; b."
