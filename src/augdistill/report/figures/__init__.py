"""Every figure of the report: numbers are computed first, then drawn. To add one, write its file and its line here."""

from collections.abc import Callable

from augdistill.plugins import Table
from augdistill.report.figures.base import Drawn, Source
from augdistill.report.figures.curves import training_curves
from augdistill.report.figures.dots import accuracy, calibration_error
from augdistill.report.figures.forest import effect_on_students
from augdistill.report.figures.grids import effect_by_cell
from augdistill.report.figures.humans import human_confidence, human_kl
from augdistill.report.figures.latent import latent_space
from augdistill.report.figures.properties import teacher_relations
from augdistill.report.figures.reliability import reliability_curves

__all__ = ["FIGURES", "Drawn", "Source"]

FIGURES = Table[Callable[[Source], list[Drawn] | str]]("figures") | {
    "Effect on students": effect_on_students,
    "Effect by cell": effect_by_cell,
    "Figure 1": accuracy,
    "Figure 2": latent_space,
    "Figure 3": reliability_curves,
    "Figure 4": human_confidence,
    "Figure 5": human_kl,
    "Figure 6": calibration_error,
    "Teacher properties": teacher_relations,
    "Training curves": training_curves,
}
"""By heading; each gives its figures, or says why there are none."""
