"""Every figure of the report: numbers are computed first, then drawn. To add one, write its file and its line here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from augdistill.plugins import Table
from augdistill.report.figures.base import Figure, FigureContext
from augdistill.report.figures.costs import accuracy_by_latency
from augdistill.report.figures.curves import training_curves
from augdistill.report.figures.dots import accuracy, calibration_error
from augdistill.report.figures.factors import effects_of_factors, interactions_of_factors
from augdistill.report.figures.forest import effect_on_students
from augdistill.report.figures.grids import effect_by_cell
from augdistill.report.figures.humans import human_confidence, human_kl
from augdistill.report.figures.latent import latent_space
from augdistill.report.figures.properties import teacher_relations
from augdistill.report.figures.reliability import reliability_curves
from augdistill.report.figures.shift import accuracy_by_corruption, accuracy_by_radius, reliability_under_corruptions
from augdistill.report.figures.sweeps import accuracy_over_values
from augdistill.report.needs import lacking
from augdistill.results import labels

__all__ = ["FIGURES", "Figure", "FigureContext", "FigureEntry", "make_figures"]


@dataclass(frozen=True)
class FigureEntry:
    """One line of the table of figures."""

    title: str
    """may hold {test_set}, the figure's or else the study's first, and {student} where there is a figure for each"""
    make: Callable[[FigureContext], list[Figure] | str]
    """gives the figures, or says why there are none"""
    needs: tuple[str, ...] = ()
    """names in `report.needs.NEEDS`, looked at before anything is drawn"""
    metrics: str = ""
    """how a metric's `stands_in` names it, if it lists metrics"""


def make_figures(name: str, context: FigureContext) -> list[Figure] | str:
    """Return the figures under a name of FIGURES, numbered and titled, or why there are none."""
    entry = FIGURES[name]
    drawn = lacking(entry.needs, context.saved, context.cells) or entry.make(context)
    if isinstance(drawn, str):
        return drawn
    number, first = name if name.startswith("Figure ") else "", context.saved.test_set
    titles = [
        entry.title.format(test_set=labels.test_set(one.test_set or first), student=labels.model(one.student))
        for one in drawn
    ]
    return [replace(one, number=number, title=title) for one, title in zip(drawn, titles, strict=True)]


FIGURES = Table[FigureEntry]("figures") | {
    "Effect on students": FigureEntry(
        "What the teacher’s augmentation does to its students on {test_set}", effect_on_students
    ),
    "Factors": FigureEntry("What each factor changes on {test_set}", effects_of_factors, ("factors",)),
    "Interactions": FigureEntry("How factors act together on {test_set}", interactions_of_factors, ("factors",)),
    "Effect by cell": FigureEntry(
        "Effect on {student} students in every cell of the grids", effect_by_cell, ("grids",)
    ),
    "Accuracy over values": FigureEntry(
        "Accuracy of {student} students over the values of a grid", accuracy_over_values, ("grids",)
    ),
    "Figure 1": FigureEntry(
        "Accuracy of teachers and students on {test_set}, by the teacher’s augmentation", accuracy, ("evaluations",)
    ),
    "Figure 2": FigureEntry("Penultimate embeddings of the teachers, four classes, by t-SNE", latent_space),
    "Figure 3": FigureEntry("Reliability curves on {test_set}", reliability_curves, ("evaluations",)),
    "Figure 4": FigureEntry("Human confidence by class", human_confidence, ("human labels",)),
    "Figure 5": FigureEntry("Distance of class means from humans", human_kl, ("human labels",)),
    "Figure 6": FigureEntry(
        "Expected calibration error on {test_set}, by model and strategy", calibration_error, ("evaluations",)
    ),
    "Teacher properties": FigureEntry(
        "{student} accuracy against properties of its teacher", teacher_relations, metrics="figure-properties"
    ),
    "Accuracy by latency": FigureEntry(
        "Accuracy on {test_set} against what a model costs to run", accuracy_by_latency, ("costs",)
    ),
    "Accuracy under corruptions": FigureEntry(
        "Accuracy under each corruption: {test_set}", accuracy_by_corruption, ("shift",)
    ),
    "Reliability under corruptions": FigureEntry(
        "Reliability curves under corruptions: {test_set}", reliability_under_corruptions, ("shift",)
    ),
    "Accuracy under attack": FigureEntry("Accuracy under attack: {test_set}", accuracy_by_radius, ("shift",)),
    "Training curves": FigureEntry("Training curves", training_curves, ("histories",)),
}
"""By heading, in the order of the page; those of the paper have its number for a name."""
